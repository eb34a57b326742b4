"""The best words at masks, or the order of targets there, with the head on some masks at a time.

Logits are [masks, vocabulary], by far the largest thing of a request: a text of 510 masks would
take 62 MB with BERT's vocabulary, and a batch of such texts as many times that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Candidates(NamedTuple):
    """Best tokens of N masks, best first.

    Attributes:
        score: float32 [N, K].
        token: int32 [N, K].
        valid: int32 [N], how many of the K count for each mask; None: all.
    """

    score: tf.Tensor
    token: tf.Tensor
    valid: tf.Tensor | None


class Pieces:
    """Chooses candidates piece by piece; the logits of one piece alone are held."""

    def __init__(self, logits: Callable[[tf.Tensor], tf.Tensor], masks: int) -> None:
        """Takes the head.

        Args:
            logits: hidden states [n, hidden] -> float32 [n, vocabulary].
            masks: how many it takes at a time.
        """
        self._logits = logits
        self._masks = masks

    def top_k(self, hidden: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores float32 and tokens int32 [N, k] at hidden states [N, hidden], best first."""

        def choose(start: tf.Tensor, probabilities: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return best_columns(probabilities, k)

        score, token = self._run(hidden, choose, k)
        known = tf.get_static_value(k)  # so that a signature says what it gives
        if known is not None:
            score.set_shape([None, int(known)])
            token.set_shape([None, int(known)])
        return score, token

    def targets(self, hidden: tf.Tensor, token: tf.Tensor) -> Candidates:
        """Orders `token` int32 [M, n] (−1: none) by probability at hidden states [N, hidden].

        A token that occurs again in its row counts once. N is M, or 1 where M is 0.
        """
        missing = tf.shape(hidden)[0] - tf.shape(token)[0]
        order, counts = _once(tf.pad(token, [[0, missing], [0, 0]], constant_values=-1))

        def choose(start: tf.Tensor, probabilities: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            end = start + tf.shape(probabilities)[0]
            return _rank(probabilities, order[start:end], counts[start:end])

        score, ranked = self._run(hidden, choose, tf.shape(token)[1])
        return Candidates(score, ranked, tf.reduce_sum(tf.cast(counts, tf.int32), axis=1))

    def _run(
        self, hidden: tf.Tensor, choose: Any, columns: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`choose` of every piece: (its first mask, probabilities [n, vocabulary]) -> [n, columns].

        Probabilities are those of a softmax over the whole vocabulary in float32.
        """

        def run(start: tf.Tensor, score: tf.Tensor, token: tf.Tensor) -> Any:
            own = hidden[start : start + self._masks]
            more_score, more_token = choose(start, tf.nn.softmax(self._logits(own)))
            score, token = tf.concat([score, more_score], 0), tf.concat([token, more_token], 0)
            return start + self._masks, score, token

        none = tf.stack([0, columns])
        any_shape = tf.TensorShape([None, None])
        _, score, token = tf.while_loop(
            lambda start, *_: start < tf.shape(hidden)[0],
            run,
            (0, tf.zeros(none), tf.zeros(none, tf.int32)),
            shape_invariants=(tf.TensorShape([]), any_shape, any_shape),
            parallel_iterations=1,
        )
        return score, token


#: Columns that one number, their largest, stands for in the first step of `best_columns`.
_GROUP = 128


def best_columns(values: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The k largest values of each row and their columns, as `tf.math.top_k` gives them.

    `tf.math.top_k` compares the columns one by one. Where k is small, this first chooses the k
    groups of columns whose largest values are the largest (a processor finds the largest value of
    a group with few instructions), and only looks inside of those: the k best columns are in them.
    Of equal values the first column counts, and of equal groups the first group.
    """
    columns, few = values.shape[1], tf.get_static_value(k)
    if few is None or columns is None or 4 * few * _GROUP > columns:
        best = tf.math.top_k(values, k=k)
        return best.values, best.indices
    whole = columns // _GROUP * _GROUP
    largest = tf.reduce_max(tf.reshape(values[:, :whole], [-1, whole // _GROUP, _GROUP]), axis=2)
    if whole < columns:
        rest = tf.reduce_max(values[:, whole:], axis=1, keepdims=True)
        largest = tf.concat([largest, rest], axis=1)
    groups = tf.sort(tf.math.top_k(largest, k=k).indices, axis=1)
    column = groups[:, :, tf.newaxis] * _GROUP + tf.range(_GROUP)
    column = tf.reshape(column, [-1, int(few) * _GROUP])
    exists, column = column < columns, tf.minimum(column, columns - 1)
    chosen = tf.gather(values, column, batch_dims=1)
    best = tf.math.top_k(tf.where(exists, chosen, values.dtype.min), k=k)
    return best.values, tf.gather(column, best.indices, batch_dims=1)


def _once(token: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Targets int32 [N, n] (−1: none) in ascending order, and which of them count, bool [N, n]."""
    none = tf.int32.max
    order = tf.sort(tf.where(token < 0, none, token), axis=1)
    first = tf.concat([tf.fill([tf.shape(order)[0], 1], True), order[:, 1:] > order[:, :-1]], 1)
    return order, first[:, : tf.shape(order)[1]] & (order < none)


def _rank(
    probabilities: tf.Tensor, order: tf.Tensor, counts: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores and tokens [N, n] of what `_once` gives, by probability [N, vocabulary]."""
    score = tf.gather(probabilities, tf.where(counts, order, 0), batch_dims=1)
    best = tf.math.top_k(tf.where(counts, score, -1.0), k=tf.shape(order)[1])
    return best.values, tf.gather(order, best.indices, batch_dims=1)
