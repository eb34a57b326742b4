"""The longest piece from every position on, all positions at once."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfmlm.tokenizer_graph.models._pieces import FIELD_BITS, FIELD_MAX, STRIDE, PieceTrie


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
        found = _longest_of(entries, position)
        if self.longest <= STRIDE:
            return found
        grams = tf.bitwise.right_shift(entries, 2 * FIELD_BITS)

        def step(
            starts: tf.Tensor,
            following: tf.Tensor,
            node: tf.Tensor,
            ends: tf.Tensor,
            numbers: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            active = tf.where(node > 0)[:, 0]
            starts, following = tf.gather(starts, active), tf.gather(following, active)
            entries = self.next_step(tf.gather(node, active), tf.gather(grams, following))
            longer = _longest_of(entries, following)
            better = tf.where(longer.numbers >= 0)
            positions = tf.gather(starts, better)  # [m, 1], as the scatter takes it
            ends = tf.tensor_scatter_nd_update(ends, positions, tf.gather_nd(longer.ends, better))
            numbers = tf.tensor_scatter_nd_update(
                numbers, positions, tf.gather_nd(longer.numbers, better)
            )
            return starts, following + STRIDE, self.node_of(entries), ends, numbers

        vector = tf.TensorShape([None])
        *_, ends, numbers = tf.while_loop(
            lambda starts, following, node, *_: tf.reduce_any(node > 0),
            step,
            (position, position + STRIDE, self.node_of(entries), *found),
            shape_invariants=(vector,) * 5,
        )
        return Longest(ends, numbers)


def _longest_of(entries: tf.Tensor, following: tf.Tensor) -> Longest:
    """The longest of the pieces of a step: entries int64 [m, 3], its start int64 [m]."""
    numbers = tf.bitwise.bitwise_and(entries, FIELD_MAX)
    one, two, three = numbers[:, 0], numbers[:, 1], numbers[:, 2]
    number = tf.where(three > 0, three, tf.where(two > 0, two, one))
    length = tf.where(three > 0, 3, tf.where(two > 0, 2, 1))
    ends = tf.where(number > 0, following + tf.cast(length, tf.int64), 0)
    return Longest(ends, number - 1)
