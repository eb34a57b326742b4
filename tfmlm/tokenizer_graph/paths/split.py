"""Rows that a fast path takes go its way, the others the general one."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import Path, Spans, Tokens
from tfmlm.tokenizer_graph.ops.branches import branch


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

        def mixed() -> Tokens:
            own, others = (tf.boolean_mask(texts, which) for which in (is_fast, ~is_fast))
            return interleave(
                self.fast.tokens(own, with_special_tokens),
                self.general.tokens(others, with_special_tokens),
                is_fast,
            )

        return branch(
            tf.reduce_all(is_fast), lambda: self.fast.tokens(texts, with_special_tokens), mixed
        )

    def spans(self, texts: tf.Tensor) -> Spans:
        """See `Path`."""
        is_fast = self.fast.matches(texts)

        def mixed() -> Spans:
            first = self.fast.spans(tf.boolean_mask(texts, is_fast))
            second = self.general.spans(tf.boolean_mask(texts, ~is_fast))
            tokens = interleave(first.tokens, second.tokens, is_fast)
            span = interleave(Tokens(*first[1:]), Tokens(*second[1:]), is_fast)
            return Spans(tokens, *span)

        return branch(tf.reduce_all(is_fast), lambda: self.fast.spans(texts), mixed)


def interleave(first: Tokens, second: Tokens, is_first: tf.Tensor) -> Tokens:
    """Two groups of rows in the order of their batch.

    Args:
        first, second: rows (values [m] or [m, k]).
        is_first: bool [batch], of which group each row is.
    """
    starts = tf.concat([first.splits, second.splits + first.splits[-1]], 0)
    number = tf.cumsum(tf.cast(is_first, tf.int64), exclusive=True)
    other = tf.range(tf.size(is_first, tf.int64)) - number + tf.size(first.splits, tf.int64)
    position = tf.where(is_first, number, other)
    begins = tf.gather(starts, position)
    order = tf.raw_ops.RaggedRange(
        starts=begins, limits=tf.gather(starts, position + 1), deltas=tf.ones_like(begins)
    )
    values = tf.concat([first.ids, second.ids], 0)
    return Tokens(tf.gather(values, order.rt_dense_values), order.rt_nested_splits)
