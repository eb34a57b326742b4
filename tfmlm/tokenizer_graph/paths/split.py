"""Rows that a fast path takes go its way, the others the general one."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import Path, Spans, Tokens
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.shift import positions_of


class SplitPath(tf.Module):
    """A `Path` for all rows.

    Args:
        fast: the path of the rows that it matches.
        general: the path of all others.
    """

    def __init__(self, fast: Path, general: Path) -> None:
        super().__init__()
        self.fast, self.general = fast, general

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        """See `Path`."""
        return tf.fill(tf.shape(texts), True)

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        """See `Path`."""
        is_fast = self.fast.matches(texts)

        def all_fast() -> Tokens:
            return self.fast.tokens(texts, with_special_tokens)

        def mixed() -> Tokens:
            first = self.fast.tokens(_blanked(texts, is_fast), with_special_tokens)
            second = self.general.tokens(others(texts, is_fast), with_special_tokens)
            return interleave(first, second, is_fast)

        return branch(tf.reduce_all(is_fast), all_fast, mixed)

    def spans(self, texts: tf.Tensor) -> Spans:
        """See `Path`."""
        is_fast = self.fast.matches(texts)

        def mixed() -> Spans:
            first = self.fast.spans(_blanked(texts, is_fast))
            second = self.general.spans(others(texts, is_fast))
            tokens = interleave(first.tokens, second.tokens, is_fast)
            span = interleave(Tokens(*first[1:]), Tokens(*second[1:]), is_fast)
            return Spans(tokens, *span)

        return branch(tf.reduce_all(is_fast), lambda: self.fast.spans(texts), mixed)


def _blanked(texts: tf.Tensor, is_fast: tf.Tensor) -> tf.Tensor:
    """Texts of the fast path, tf.string [batch]: an empty one (it is fast) for each other."""
    return tf.where(is_fast, texts, "")


def others(texts: tf.Tensor, is_fast: tf.Tensor) -> tf.Tensor:
    """The texts that are not fast (bool [batch]), tf.string [m]."""
    return tf.gather(texts, positions_of(tf.logical_not(is_fast)))


def interleave(first: Tokens, second: Tokens, is_first: tf.Tensor) -> Tokens:
    """Rows of one group put in their places among all.

    Args:
        first: a row for each of the batch (values [m] or [m, k]).
        second: the rows that stand in for those of `first` that do not count, in order.
        is_first: bool [batch], which rows of `first` count.
    """
    starts = tf.concat([first.splits, second.splits + first.splits[-1]], 0)
    row = tf.range(tf.size(is_first, tf.int64))
    number = tf.cumsum(tf.cast(tf.logical_not(is_first), tf.int64), exclusive=True)
    position = tf.where(is_first, row, number + tf.size(first.splits, tf.int64))
    begins = tf.gather(starts, position)
    order = tf.raw_ops.RaggedRange(
        starts=begins, limits=tf.gather(starts, position + 1), deltas=tf.ones_like(begins)
    )
    values = tf.concat([first.ids, second.ids], 0)
    return Tokens(tf.gather(values, order.rt_dense_values), order.rt_nested_splits)
