"""Splitting at matches: the five behaviours of the Rust library.

https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/tokenizer/normalizer.rs
(`NormalizedString::split`)
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.ops.shift import column, previous


def split_at(
    stream: tf.Tensor,
    starts: tf.Tensor,
    inside: tf.Tensor,
    firsts: tf.Tensor,
    behavior: str,
    invert: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Splits words at matches.

    Args:
        stream, starts: int32 [n], bool [n], see `component.py`.
        inside: bool [n], whether an element belongs to a match.
        firsts: bool [n], where a match or the text between two matches starts. Where a word or a
            segment starts may be left out.
        behavior: one of `spec.BEHAVIORS`.
        invert: the text between matches counts as the matches.

    Returns:
        The stream and the starts.
    """
    if invert:
        inside = tf.logical_not(inside)
    before = previous(inside, False)
    if behavior == "Removed":
        removed = tf.logical_and(inside, stream < GAP)
        return tf.where(removed, GAP, stream), tf.logical_or(starts, firsts)
    if behavior == "Contiguous":
        split = tf.logical_and(firsts, tf.not_equal(inside, before))
    elif behavior == "MergedWithPrevious":
        split = tf.logical_and(firsts, tf.logical_or(before, tf.logical_not(inside)))
    elif behavior == "MergedWithNext":
        split = tf.logical_and(firsts, tf.logical_or(inside, tf.logical_not(before)))
    else:
        split = firsts
    return stream, tf.logical_or(starts, split)


def flags_of_single(inside: tf.Tensor) -> tf.Tensor:
    """bool [n]: `firsts` for matches of one element each (`inside`: bool [n])."""
    before = previous(inside, False)
    return tf.logical_or(inside, before)


def flags_of_spans(
    size: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """(inside, firsts) for sorted spans (int64 [m]) in a text of `size` elements (int64 scalar)."""
    ones = tf.ones_like(starts, tf.int32)
    opened = tf.scatter_nd(column(starts), ones, size[tf.newaxis])
    closed = tf.scatter_nd(column(ends), ones, size[tf.newaxis])
    inside = tf.cumsum(opened - closed) > 0
    return inside, tf.logical_or(opened > 0, closed > 0)
