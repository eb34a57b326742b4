"""Splitting by what each character is, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.ops.shift import previous
from tfmlm.tokenizer_graph.ops.tables import ValueTable
from tfmlm.tokenizer_graph.pre_tokenizers.in_place import InPlace

WORD, REMOVED, ISOLATED = 0, 1, 2


def probe_classes(component: Mapping[str, Any]) -> np.ndarray:
    """uint8 [0x110000]: what the Rust pre-tokenizer does with c in "a" + c + "a".

    `WORD` leaves it in the word, `REMOVED` drops it, `ISOLATED` makes it a word.
    """
    return probe.classes(component, _classify, "isolate-or-remove")


def _classify(words: list[str], c: str) -> int:
    if words == [f"a{c}a"]:
        return WORD
    if words == ["a", "a"]:
        return REMOVED
    if words == ["a", c, "a"]:
        return ISOLATED
    raise AssertionError(f"U+{ord(c):04X} is split as {words}")


def members(classes: np.ndarray, wanted: int) -> np.ndarray:
    """The code points of one class."""
    return np.flatnonzero(classes == wanted)


class IsolateOrRemove(InPlace):
    """Removes code points of one class and makes each of another a word of its own.

    Args:
        classes: `WORD`, `REMOVED` or `ISOLATED` for each code point.
        contiguous: code points of class `ISOLATED` side by side stay together.
    """

    def __init__(self, classes: np.ndarray, contiguous: bool = False) -> None:
        super().__init__()
        self.classes = classes
        self._classes = ValueTable(classes.astype(np.int32))
        self.contiguous = contiguous
        self._removes = bool((classes == REMOVED).any())

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        classes = self._classes(stream)
        isolated = tf.equal(classes, ISOLATED)
        before = previous(isolated, False)
        if self.contiguous:
            split = tf.not_equal(isolated, before)
        else:
            split = tf.logical_or(isolated, before)
        if self._removes:
            stream = tf.where(tf.equal(classes, REMOVED), GAP, stream)
        return stream, tf.logical_or(starts, split)
