"""The longest piece from every position on, all positions at once."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfmlm.tokenizer_graph.models._pieces import FIELD_BITS, FIELD_MAX, STRIDE, PieceTrie
from tfmlm.tokenizer_graph.ops.shift import column, positions_of


class Longest(NamedTuple):
    """The longest piece that starts at each position of a stream.

    Attributes:
        ends: int64 [n], where it ends, exclusive; 0 if there is none.
        numbers: int64 [n], its number; -1 if there is none.
    """

    ends: tf.Tensor
    numbers: tf.Tensor


class LongestPieces(PieceTrie):
    """Finds the longest pieces; see `PieceTrie` for how they are given."""

    def __call__(self, stream: tf.Tensor) -> Longest:
        """int32 [n], which ends with `GAP`; no piece reaches over a `GAP` but from it."""
        entries = self.first_step(stream)
        position = tf.range(tf.size(stream, tf.int64))
        best = self._longest_of(entries, position)
        if self.longest > STRIDE:
            best = self._walk(entries, position, best)
        ends = tf.bitwise.right_shift(best, FIELD_BITS)
        return Longest(ends, tf.bitwise.bitwise_and(best, FIELD_MAX) - 1)

    def _walk(self, entries: tf.Tensor, position: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
        """Follows all nodes to their ends: the longest of all steps, int64 [n].

        Args:
            entries: int64 [n, 3], of the first step.
            position: int64 [n].
            best: int64 [n], the longest of the first step, see `_longest_of`.
        """
        grams = tf.bitwise.right_shift(entries, 2 * FIELD_BITS)

        def step(
            starts: tf.Tensor, node: tf.Tensor, depth: tf.Tensor, best: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            active = positions_of(node > 0)
            starts = tf.gather(starts, active)
            following = starts + depth
            entries = self.next_step(tf.gather(node, active), tf.gather(grams, following))
            longer = self._longest_of(entries, following)
            best = tf.tensor_scatter_nd_max(best, column(starts), longer)
            return starts, self.node_of(entries), depth + STRIDE, best

        vector = tf.TensorShape([None])
        return tf.while_loop(
            lambda starts, node, *_: tf.reduce_any(node > 0),
            step,
            (position, self.node_of(entries), tf.constant(STRIDE, tf.int64), best),
            shape_invariants=(vector, vector, tf.TensorShape([]), vector),
        )[-1]

    def _longest_of(self, entries: tf.Tensor, following: tf.Tensor) -> tf.Tensor:
        """The longest of the pieces of a step: entries int64 [m, 3], its start int64 [m].

        Returns:
            int64 [m], end << FIELD_BITS | number + 1; 0 if there is none.
        """
        numbers = tf.bitwise.bitwise_and(entries, FIELD_MAX)
        ends = tf.bitwise.left_shift(column(following) + self._lengths, FIELD_BITS)
        return tf.reduce_max(tf.where(numbers > 0, ends + numbers, 0), 1)
