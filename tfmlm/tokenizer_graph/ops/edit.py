"""Replacing spans of a stream."""

from __future__ import annotations

import tensorflow as tf


def splice(size: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor, length: int) -> tf.Tensor:
    """Indices of a new text in which every span is replaced by the same `length` elements.

    Args:
        size: int64 scalar, elements of the text.
        starts, ends: int64 [m], sorted spans without overlap; an empty span inserts.
        length: of the replacement, whose elements follow the text: indices size ... size + length.

    Returns:
        int64 [new size], to gather from `concat([text, replacement], 0)`.
    """
    put = tf.zeros_like(starts) + size
    range_starts = tf.concat([tf.zeros([1], tf.int64), alternate(put, ends)], 0)
    range_ends = tf.concat([alternate(starts, put + length), size[tf.newaxis]], 0)
    return tf.raw_ops.RaggedRange(
        starts=range_starts, limits=range_ends, deltas=tf.ones_like(range_starts)
    ).rt_dense_values


def alternate(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """[a0, b0, a1, b1, ...]"""
    return tf.reshape(tf.stack([first, second], 1), [-1])
