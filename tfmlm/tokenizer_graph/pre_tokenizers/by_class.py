"""Splitting by what each character is, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.registry import GAP
from tfmlm.tokenizer_graph.tables import ValueTable

WORD, REMOVED, ISOLATED, APART = 0, 1, 2, 3


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


class IsolateOrRemove(tf.Module):
    """Removes code points of one class and makes each of another a word of its own.

    Args:
        classes: `WORD`, `REMOVED` or `ISOLATED` for each code point.
    """

    def __init__(self, classes: np.ndarray) -> None:
        super().__init__()
        self._classes = ValueTable(classes.astype(np.int32))

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        classes = self._classes(stream)
        isolated = tf.equal(classes, ISOLATED)
        after = tf.concat([[False], isolated[:-1]], 0)[: tf.size(stream)]
        starts = tf.logical_or(starts, tf.logical_or(isolated, after))
        return tf.where(tf.equal(classes, REMOVED), GAP, stream), starts
