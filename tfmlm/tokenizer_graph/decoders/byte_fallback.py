"""ByteFallback: runs of byte tokens are UTF-8, or U+FFFD for each byte if they are not."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.decoders.strings import replace_invalid
from tfmlm.tokenizer_graph.ops.shift import column, kept, lower_bound, positions_of, previous
from tfmlm.tokenizer_graph.ops.tables import constant


class ByteRuns(tf.Module):
    """Joins runs of byte tokens.

    Args:
        is_byte: for each id, whether its piece is a byte.
    """

    def __init__(self, is_byte: list[bool]) -> None:
        super().__init__()
        self._is_byte = constant([*is_byte, False])

    def __call__(
        self, ids: tf.Tensor, pieces: tf.Tensor, splits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Pieces [m] in rows (int64 [batch + 1]), byte tokens as one raw byte, to fewer pieces."""
        is_byte = tf.gather(self._is_byte, ids)
        count = tf.size(ids, tf.int64)
        before = previous(is_byte, False)
        in_bounds = kept(splits, splits < count)
        ones = tf.ones_like(in_bounds, tf.int32)
        row_start = tf.scatter_nd(column(in_bounds), ones, count[tf.newaxis]) > 0
        joins = tf.logical_and(tf.logical_and(is_byte, before), tf.logical_not(row_start))
        run = tf.cumsum(tf.cast(tf.logical_not(joins), tf.int64)) - 1
        runs = positions_of(tf.logical_not(joins))
        total = tf.size(runs)
        joined = tf.strings.unsorted_segment_join(pieces, run, total)
        marks = tf.strings.unsorted_segment_join(
            tf.where(is_byte, "\ufffd", tf.zeros_like(pieces)), run, total
        )
        valid = tf.equal(replace_invalid(joined), joined)
        return tf.where(valid, joined, marks), lower_bound(runs, splits)
