"""Bidirectional self-attention, whole or in a window, at a cost that long texts can bear.

Short texts: all scores at once. In a window, texts longer than a few windows are cut into chunks as
long as the window's reach; a chunk of queries meets its own keys and those of both neighbours,
which are all that it can see, so the chunks are one large batch of short texts. Without a window,
queries of long texts come in chunks, one after another, and so do their gradients, which compute
the scores a second time: memory grows with the length, not with its square.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

#: Texts of more tokens have their queries in chunks where attention is not local.
LONG = 1024
_QUERIES = 128
#: Chunks of a window's reach, but not of fewer tokens: products of tiny matrices are slow.
_SHORTEST_CHUNK = 32
#: Texts of more chunks than this are cut: a chunk meets three, so fewer would cost more, cut.
_CHUNKS_WHOLE = 4


@dataclass(frozen=True)
class Sight:
    """Which tokens of a batch see which, apart from any window.

    Attributes:
        groups: int32 [batch, tokens]: 0 for padding, which no token sees.
        apart: whether tokens see their own group's tokens only (texts packed into one row), or all
            that are not padding.
    """

    groups: tf.Tensor
    apart: bool

    @classmethod
    def of(cls, attention_mask: tf.Tensor, document_ids: tf.Tensor | None) -> Sight:
        """Of a mask int [batch, tokens], 1 for tokens, and the number of each token's text."""
        real = tf.cast(tf.equal(attention_mask, tf.ones_like(attention_mask)), tf.int32)
        if document_ids is None:
            return cls(real, False)
        return cls(real * (tf.cast(document_ids, tf.int32) + 1), True)


def _between(queries: tf.Tensor, keys: tf.Tensor, apart: bool) -> tf.Tensor:
    """bool [rows, 1, queries or 1, keys]: which keys are seen, by groups of both."""
    seen = tf.not_equal(keys, 0)[:, tf.newaxis, tf.newaxis, :]
    if apart:
        same = tf.equal(queries[:, :, tf.newaxis], keys[:, tf.newaxis, :])
        seen = seen & same[:, tf.newaxis]
    return seen


def _bias(seen: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.where(seen, tf.constant(0.0, dtype), tf.constant(dtype.min, dtype))


class WholeAttention:
    """Every token sees every other."""

    def __init__(self, sight: Sight, dtype: tf.DType) -> None:
        """Prepares what the layers share; `dtype` is that of the scores."""
        self._sight = sight
        self._tokens = _size(sight.groups, 1)
        self._dtype = dtype
        self._long = _greater(self._tokens, LONG)
        self._short_bias = _choose(
            self._long,
            lambda: tf.zeros([1, 1, 1, 1], dtype),
            lambda: _bias(_between(sight.groups, sight.groups, sight.apart), dtype),
        )

    def __call__(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        dropout: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Context [batch, tokens, heads, width] of query, key, value of that shape.

        The query is scaled already. With `dropout`, or to learn the weights [batch, heads, tokens,
        tokens] that come second, all scores are held at once.
        """
        query, key, value = (_by_head(x) for x in (query, key, value))
        if dropout is not None:
            bias = _bias(
                _between(self._sight.groups, self._sight.groups, self._sight.apart), self._dtype
            )
            context, weights = _attend(query, key, value, bias, dropout)
            return _by_token(context), weights
        context = _choose(
            self._long,
            lambda: _attend_in_chunks(query, key, value, self._sight),
            lambda: _attend(query, key, value, self._short_bias)[0],
        )
        return _by_token(context), None


class LocalAttention:
    """Tokens see those at most `reach` away, on both sides, and themselves."""

    def __init__(self, sight: Sight, reach: int, dtype: tf.DType) -> None:
        """Prepares what the layers share; `dtype` is that of the scores."""
        self._sight, self._reach, self._dtype = sight, reach, dtype
        self._chunk = max(reach, _SHORTEST_CHUNK)
        self._tokens = _size(sight.groups, 1)
        self._cut = _greater(self._tokens, _CHUNKS_WHOLE * self._chunk)
        self._bias = _choose(self._cut, self._bias_in_chunks, self._bias_whole)

    def __call__(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        dropout: Callable[[tf.Tensor], tf.Tensor] | None = None,
        whole: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """As `WholeAttention`; weights of whole texts come with `whole` alone."""
        shape = tf.shape(query)
        if whole:
            bias = self._bias_whole()
            context, weights = _attend(
                _by_head(query), _by_head(key), _by_head(value), bias, dropout
            )
            return _by_token(context), weights
        width = query.shape[2:]

        def cut() -> tuple[tf.Tensor, ...]:
            return self._chunks(query), self._with_neighbours(key), self._with_neighbours(value)

        query, key, value = _choose(self._cut, cut, lambda: (query, key, value))
        context, _ = _attend(_by_head(query), _by_head(key), _by_head(value), self._bias, dropout)
        context = _by_token(context)
        joined = tf.reshape(context, tf.concat([shape[:1], [-1], shape[2:]], 0))[:, : self._tokens]
        return tf.ensure_shape(joined, [None, None, *width]), None

    def _bias_whole(self) -> tf.Tensor:
        place = tf.range(self._tokens)
        near = tf.abs(place[:, tf.newaxis] - place[tf.newaxis]) <= self._reach
        groups = self._sight.groups
        return _bias(_between(groups, groups, self._sight.apart) & near, self._dtype)

    def _bias_in_chunks(self) -> tf.Tensor:
        groups = self._sight.groups[:, :, tf.newaxis]
        queries, keys = self._chunks(groups)[..., 0], self._with_neighbours(groups)[..., 0]
        place = tf.range(self._chunk)[:, tf.newaxis] + self._chunk
        near = tf.abs(place - tf.range(3 * self._chunk)[tf.newaxis]) <= self._reach
        return _bias(_between(queries, keys, self._sight.apart) & near, self._dtype)

    def _padded(self, x: tf.Tensor, before: int, after: int) -> tf.Tensor:
        """[batch, chunks of tokens, ...] with so many chunks of zeros added."""
        short = -self._tokens % self._chunk
        ends = [before * self._chunk, short + after * self._chunk]
        return tf.pad(x, [[0, 0], ends, *([[0, 0]] * (x.shape.rank - 2))])

    def _chunks(self, x: tf.Tensor) -> tf.Tensor:
        """[batch, tokens, ...] -> [batch * chunks, chunk, ...]."""
        padded = self._padded(x, 0, 0)
        return tf.reshape(padded, tf.concat([[-1, self._chunk], tf.shape(x)[2:]], 0))

    def _with_neighbours(self, x: tf.Tensor) -> tf.Tensor:
        """[batch, tokens, ...] -> [batch * chunks, 3 * chunk, ...]."""
        padded = self._padded(x, 1, 1)
        rest = tf.shape(x)[2:]
        length = tf.shape(padded)[1] - 2 * self._chunk
        parts = [
            tf.reshape(
                padded[:, i * self._chunk : i * self._chunk + length],
                tf.concat([[-1, self._chunk], rest], 0),
            )
            for i in range(3)
        ]
        return tf.concat(parts, axis=1)


def _by_head(x: tf.Tensor) -> tf.Tensor:
    """[batch, tokens, heads, width] -> [batch, heads, tokens, width], and back."""
    return tf.transpose(x, [0, 2, 1, 3])


_by_token = _by_head


def _softmax(scores: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.nn.softmax(tf.cast(scores, tf.float32)), scores.dtype)


def _attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    bias: tf.Tensor,
    dropout: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Context and weights; all by head, bias [batch, 1, queries or 1, keys]."""
    weights = _softmax(tf.matmul(query, key, transpose_b=True) + bias)
    kept = weights if dropout is None else dropout(weights)
    return tf.matmul(kept, value), weights


def _attend_in_chunks(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, sight: Sight
) -> tf.Tensor:
    """Context [batch, heads, tokens, width] of the same by head, queries in chunks."""
    tokens = _size(query, 2)
    short = -tokens % _QUERIES
    count = (tokens + short) // _QUERIES
    groups = tf.pad(sight.groups, [[0, 0], [0, short]])

    def chunk(x: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        start = number * _QUERIES
        part = x[:, :, start : start + _QUERIES]
        return tf.ensure_shape(part, [None, x.shape[1], _QUERIES, x.shape[3]])

    def weights_of(part: tf.Tensor, keys: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        own = groups[:, number * _QUERIES : (number + 1) * _QUERIES]
        bias = _bias(_between(own, sight.groups, sight.apart), part.dtype)
        return _softmax(tf.matmul(part, keys, transpose_b=True) + bias)

    def padded(x: tf.Tensor) -> tf.Tensor:
        return tf.pad(x, [[0, 0], [0, 0], [0, short], [0, 0]])

    def joined(parts: tf.TensorArray, like: tf.Tensor) -> tf.Tensor:
        stacked = tf.transpose(
            parts.stack(), [1, 2, 0, 3, 4]
        )  # [batch, heads, count, chunk, width]
        shape = tf.shape(like)
        whole = tf.reshape(stacked, [shape[0], shape[1], -1, shape[3]])[:, :, :tokens]
        return tf.ensure_shape(whole, like.shape)

    def parts_like(x: tf.Tensor) -> tf.TensorArray:
        shape = [x.shape[0], x.shape[1], _QUERIES, x.shape[3]]
        return tf.TensorArray(x.dtype, count, element_shape=shape)

    @tf.custom_gradient
    def attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> Any:
        queries = padded(query)

        def step(number: tf.Tensor, parts: tf.TensorArray) -> tuple[Any, ...]:
            weights = weights_of(chunk(queries, number), key, number)
            return number + 1, parts.write(number, tf.matmul(weights, value))

        _, contexts = tf.while_loop(
            lambda number, _: number < count,
            step,
            (tf.constant(0), parts_like(query)),
            parallel_iterations=1,
        )

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            upstreams = padded(upstream)

            def step(
                number: tf.Tensor, parts: tf.TensorArray, by_key: tf.Tensor, by_value: tf.Tensor
            ) -> tuple[Any, ...]:
                own, above = chunk(queries, number), chunk(upstreams, number)
                weights = weights_of(own, key, number)
                by_value += tf.cast(tf.matmul(weights, above, transpose_a=True), tf.float32)
                by_weights = tf.matmul(above, value, transpose_b=True)
                mean = tf.reduce_sum(by_weights * weights, axis=-1, keepdims=True)
                by_scores = weights * (by_weights - mean)
                by_key += tf.cast(tf.matmul(by_scores, own, transpose_a=True), tf.float32)
                return number + 1, parts.write(number, tf.matmul(by_scores, key)), by_key, by_value

            zeros = (tf.zeros_like(x, tf.float32) for x in (key, value))
            _, by_query, by_key, by_value = tf.while_loop(
                lambda number, *_: number < count,
                step,
                (tf.constant(0), parts_like(query), *zeros),
                parallel_iterations=1,
            )
            return (
                joined(by_query, query),
                tf.cast(by_key, key.dtype),
                tf.cast(by_value, value.dtype),
            )

        return joined(contexts, query), gradient

    return attend(query, key, value)


def _size(x: tf.Tensor, axis: int) -> Any:
    """A dimension: an int if it is known before the graph runs, else a tensor int32 []."""
    known = x.shape[axis]
    return tf.shape(x)[axis] if known is None else known


def _greater(size: Any, limit: int) -> Any:
    return size > limit


def _choose(condition: Any, true: Callable[[], Any], false: Callable[[], Any]) -> Any:
    """`tf.cond`, decided at once where the condition is known before the graph runs."""
    if isinstance(condition, bool):
        return true() if condition else false()
    return tf.cond(condition, true, false)
