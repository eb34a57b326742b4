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
        self._sight, self._dtype = sight, dtype
        self._long = _size(sight.groups, 1) > LONG
        self._bias = _once(self._long is False, self._all_scores)

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
        query, key, value = _by_head(query), _by_head(key), _by_head(value)
        if dropout is not None:
            context, weights = _attend(query, key, value, self._bias(), dropout)
            return _by_token(context), weights

        def in_chunks(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
            return _attend_in_chunks(query, key, value, self._sight)

        def at_once(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
            return _attend(query, key, value, self._bias())[0]

        return _by_token(_either(self._long, in_chunks, at_once, query, key, value)), None

    def _all_scores(self) -> tf.Tensor:
        groups = self._sight.groups
        return _bias(_between(groups, groups, self._sight.apart), self._dtype)


class LocalAttention:
    """Tokens see those at most `reach` away, on both sides, and themselves."""

    def __init__(self, sight: Sight, reach: int, dtype: tf.DType) -> None:
        """Prepares what the layers share; `dtype` is that of the scores."""
        self._sight, self._reach, self._dtype = sight, reach, dtype
        self._chunk = max(reach, _SHORTEST_CHUNK)
        self._tokens = _size(sight.groups, 1)
        self._cut = self._tokens > _CHUNKS_WHOLE * self._chunk
        self._bias_of_chunks = _once(self._cut is True, self._bias_in_chunks)
        self._bias_of_all = _once(self._cut is False, self._bias_whole)

    def __call__(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        dropout: Callable[[tf.Tensor], tf.Tensor] | None = None,
        whole: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """As `WholeAttention`; weights of whole texts come with `whole` alone."""

        def all_at_once(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> Any:
            bias = self._bias_of_all()
            return _attend(_by_head(query), _by_head(key), _by_head(value), bias, dropout)

        if whole:
            context, weights = all_at_once(query, key, value)
            return _by_token(context), weights

        def in_chunks(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
            shape = tf.shape(query)
            queries = _by_head(self._chunks(query))
            keys, values = (_by_head(self._with_neighbours(x)) for x in (key, value))
            context, _ = _attend(queries, keys, values, self._bias_of_chunks(), dropout)
            rows = tf.concat([shape[:1], [-1], shape[2:]], 0)
            joined = tf.reshape(_by_token(context), rows)[:, : self._tokens]
            return tf.ensure_shape(joined, query.shape)

        def at_once(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
            return _by_token(all_at_once(query, key, value)[0])

        if dropout is not None and not isinstance(self._cut, bool):
            context = tf.cond(
                self._cut,
                lambda: in_chunks(query, key, value),
                lambda: at_once(query, key, value),
            )
            return context, None
        return _either(self._cut, in_chunks, at_once, query, key, value), None

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
        shape = tf.shape(x)
        part = tf.slice(x, [0, 0, number * _QUERIES, 0], [shape[0], shape[1], _QUERIES, shape[3]])
        return tf.ensure_shape(part, [None, x.shape[1], _QUERIES, x.shape[3]])

    def weights_of(part: tf.Tensor, keys: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        own = tf.slice(groups, [0, number * _QUERIES], [tf.shape(groups)[0], _QUERIES])
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


def _once(now: bool, make: Callable[[], tf.Tensor]) -> Callable[[], tf.Tensor]:
    """What `make` gives: made now for all layers, or by each where it is asked for."""
    if not now:
        return make
    made = make()
    return lambda: made


def _either(
    condition: Any,
    true: Callable[..., tf.Tensor],
    false: Callable[..., tf.Tensor],
    *inputs: tf.Tensor,
) -> tf.Tensor:
    """One of two functions of the inputs, chosen at once where the condition is known already.

    Where it is not, gradients compute the function a second time: XLA cannot hand what a branch
    has computed on to the branch of the gradient.
    """
    if isinstance(condition, bool):
        return true(*inputs) if condition else false(*inputs)

    @tf.custom_gradient
    def chosen(*inputs: tf.Tensor) -> Any:
        output = tf.cond(condition, lambda: true(*inputs), lambda: false(*inputs))

        def gradient(upstream: tf.Tensor) -> Any:
            def of(function: Callable[..., tf.Tensor]) -> Callable[[], list[tf.Tensor]]:
                def compute() -> list[tf.Tensor]:
                    with tf.GradientTape() as tape:
                        tape.watch(inputs)
                        again = function(*inputs)
                    return tape.gradient(again, inputs, output_gradients=upstream)

                return compute

            return tf.cond(condition, of(true), of(false))

        return output, gradient

    return chosen(*inputs)
