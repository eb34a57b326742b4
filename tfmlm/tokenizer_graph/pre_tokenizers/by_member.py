"""Splitting at every code point of a set, with any behaviour."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.ops.tables import FlagTable
from tfmlm.tokenizer_graph.pre_tokenizers.in_place import InPlace
from tfmlm.tokenizer_graph.pre_tokenizers.split_at import flags_of_single, split_at


class SplitAtMembers(InPlace):
    """Every code point of the set is a match by itself."""

    def __init__(self, members: np.ndarray, behavior: str, invert: bool = False) -> None:
        super().__init__()
        self._members = FlagTable(members)
        self._behavior = behavior
        self._invert = invert

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        inside = self._members(stream)
        firsts = flags_of_single(inside)
        return split_at(stream, starts, inside, firsts, self._behavior, self._invert)
