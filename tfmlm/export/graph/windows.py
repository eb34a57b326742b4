"""Cuts token rows to the model's length, around the first mask, and pads them to one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """What the encoder sees of a batch of B texts, and where its masks are.

    Only texts that hold a mask become encoder rows. Where none does, one row is there all the
    same, so that no kernel meets an empty batch; nothing refers to its results.

    Attributes:
        input_ids: int32 [R, T], padded at the end.
        attention_mask: int32 [R, T].
        indices: int32 [max(N, 1), 2], (encoder row, position) of the masks inside the windows.
        row: int32 [N], the text that each of these masks belongs to.
        mask: int32 [N], which of all masks of the batch it is, in text order.
        slot: int32 [N], which mask of its text it is.
        mask_count: int32 [B], all masks of a text, also outside its window.
        truncated: bool [B], whether the text is longer than the window.
    """

    input_ids: tf.Tensor
    attention_mask: tf.Tensor
    indices: tf.Tensor
    row: tf.Tensor
    mask: tf.Tensor
    slot: tf.Tensor
    mask_count: tf.Tensor
    truncated: tf.Tensor


def place_windows(
    ids: tf.Tensor,
    row_splits: tf.Tensor,
    *,
    mask_id: int,
    pad_id: int,
    prefix: Sequence[int],
    suffix: Sequence[int],
    max_length: int,
) -> Windows:
    """Chooses a window of each text and lays the windows out as one padded matrix.

    A text of at most `max_length - len(prefix) - len(suffix)` tokens is taken whole. Of a longer
    one the window that holds its first mask is taken, that mask in the middle as far as the text
    allows.

    Args:
        ids: int32 [tokens], without special tokens, all texts one after another.
        row_splits: int [B + 1], where each text begins; B is at least 1.
    """
    splits = tf.cast(row_splits, tf.int32)
    begins = splits[:-1]
    lengths = splits[1:] - begins
    limit = max_length - len(prefix) - len(suffix)

    position = tf.cast(tf.where(tf.equal(ids, mask_id))[:, 0], tf.int32)
    mask_splits = upper_bound(position, splits - 1)
    mask_count = mask_splits[1:] - mask_splits[:-1]
    mask_row = upper_bound(splits[1:], position)

    first = tf.gather(tf.concat([position, [0]], 0), mask_splits[:-1]) - begins
    start = tf.clip_by_value(first - limit // 2, 0, tf.maximum(lengths - limit, 0))
    window_begin = begins + start

    local = position - tf.gather(window_begin, mask_row)
    mask = tf.cast(tf.where((local >= 0) & (local < limit))[:, 0], tf.int32)
    row = tf.gather(mask_row, mask)

    has_mask = mask_count > 0
    active = tf.cast(tf.where(has_mask)[:, 0], tf.int32)
    active = tf.concat([active, tf.zeros([1 - tf.minimum(tf.size(active), 1)], tf.int32)], 0)
    encoder_row = tf.cumsum(tf.cast(has_mask, tf.int32)) - 1
    indices = tf.stack([tf.gather(encoder_row, row), tf.gather(local, mask) + len(prefix)], 1)
    indices = tf.concat([indices, tf.zeros([1 - tf.minimum(tf.size(row), 1), 2], tf.int32)], 0)

    input_ids, attention_mask = window_matrix(
        ids,
        tf.gather(window_begin, active)[:, tf.newaxis],
        tf.gather(tf.minimum(lengths, limit), active)[:, tf.newaxis],
        prefix,
        suffix,
        pad_id,
    )
    return Windows(
        input_ids,
        attention_mask,
        indices,
        row,
        mask,
        mask - tf.gather(mask_splits, row),
        mask_count,
        lengths > limit,
    )


def window_matrix(
    ids: tf.Tensor,
    begin: tf.Tensor,
    length: tf.Tensor,
    prefix: Sequence[int],
    suffix: Sequence[int],
    pad_id: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Windows of flat ids as one padded matrix.

    Args:
        ids: int32 [tokens], without special tokens.
        begin: int32 [R, 1], first token of each window.
        length: int32 [R, 1], tokens of each window.
        prefix, suffix: special tokens around each window.
        pad_id: what stands after the shorter windows.

    Returns:
        Ids and attention mask, int32 [R, T].
    """
    before, after = len(prefix), len(suffix)
    total = tf.size(ids)
    source = tf.concat([ids, tf.constant([*prefix, *suffix, pad_id], tf.int32)], 0)
    column = tf.range(tf.reduce_max(length) + before + after)[tf.newaxis] - before
    past = column - length
    where = tf.where(past < 0, begin + column, total + before + tf.minimum(past, after))
    where = tf.where(column < 0, total + before + column, where)
    return tf.gather(source, where), tf.cast(past < after, tf.int32)


def upper_bound(sorted_values: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """For each of `values` [n] how many of `sorted_values` [m] are not above it: int32 [n]."""
    return tf.raw_ops.UpperBound(
        sorted_inputs=sorted_values[tf.newaxis], values=values[tf.newaxis], out_type=tf.int32
    )[0]


def spread(splits: tf.Tensor) -> tf.Tensor:
    """Row of each of the values of a ragged layout: int32 [B + 1] -> int32 [splits[-1]]."""
    return upper_bound(splits[1:], tf.range(splits[-1]))
