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


def spliced_sources(size: tf.Tensor, index: tf.Tensor, owners: tf.Tensor) -> tf.Tensor:
    """Where the elements of a spliced text come from.

    Args:
        size: int64 scalar, elements of the text.
        index: int64 [n], from `splice`.
        owners: int64 [m], the element in whose place each replacement stands.

    Returns:
        int64 [n], elements of the text.
    """
    which = tf.cumsum(tf.cast(tf.equal(index, size), tf.int64)) - 1
    owner = tf.gather(tf.concat([owners, [0]], 0), tf.maximum(which, 0))
    return tf.where(index >= size, owner, index)


def alternate(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """[a0, b0, a1, b1, ...]"""
    return tf.reshape(tf.stack([first, second], 1), [-1])
