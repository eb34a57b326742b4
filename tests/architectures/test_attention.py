"""Attention, whole and in windows, cut and not, against all scores at once in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.architectures.attention import LONG, LocalAttention, Sight, WholeAttention


def reference(inputs: list[np.ndarray], groups: np.ndarray, apart: bool, reach: int) -> np.ndarray:
    """[batch, tokens, heads, width] in float64; rows that see nothing are not compared."""
    query, key, value = (x.astype(np.float64) for x in inputs)
    place = np.arange(groups.shape[1])
    seen = (groups != 0)[:, None, :] & (np.abs(place[:, None] - place) <= reach)
    if apart:
        seen = seen & (groups[:, :, None] == groups[:, None, :])
    scores = np.einsum("bqhw,bkhw->bhqk", query, key)
    scores = np.where(seen[:, None], scores, -1e30)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhqk,bkhw->bqhw", weights, value)


def batch(tokens: int, apart: bool) -> tuple[list[np.ndarray], Sight, np.ndarray]:
    """Two rows, the second of which ends in padding; three texts a row where they are apart."""
    generator = np.random.default_rng(tokens)
    inputs = [generator.normal(size=(2, tokens, 2, 4)).astype(np.float32) for _ in range(3)]
    mask = np.ones([2, tokens], np.int32)
    mask[1, tokens - tokens // 4 :] = 0
    documents = np.arange(tokens) * 3 // tokens * np.ones([2, 1], int) if apart else None
    sight = Sight.of(tf.constant(mask), None if documents is None else tf.constant(documents))
    return inputs, sight, mask if documents is None else mask * (documents + 1)


def attention(sight: Sight, reach: int | None) -> Any:
    if reach is None:
        return WholeAttention(sight, tf.float32)
    return LocalAttention(sight, reach, tf.float32)


#: Tokens and reach: none; a window in texts that are whole and in texts that are cut into chunks.
CASES = [(20, None), (LONG + 6, None), (20, 3), (128, 32), (129, 32), (200, 5), (300, 40)]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("tokens", "reach"), CASES)
def test_contexts_are_those_of_all_scores(tokens: int, reach: int | None, apart: bool) -> None:
    inputs, sight, groups = batch(tokens, apart)
    assert sight.groups.numpy().tolist() == groups.tolist()
    found, weights = attention(sight, reach)(*map(tf.constant, inputs))
    assert weights is None
    expected = reference(inputs, groups, apart, tokens if reach is None else reach)
    real = groups != 0
    np.testing.assert_allclose(found.numpy()[real], expected[real], atol=3e-6)


@pytest.mark.parametrize(("tokens", "reach"), [(LONG + 6, None), (200, 5)])
def test_gradients_of_chunks_are_those_of_all_scores(tokens: int, reach: int | None) -> None:
    inputs, sight, groups = batch(tokens, False)
    values = [tf.constant(x) for x in inputs]
    real = tf.constant(groups[:, :, None, None], tf.float32)
    upstream = np.random.default_rng(1).normal(size=inputs[0].shape).astype(np.float32) * real
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(values)
        cut = attention(sight, reach)(*values)[0]
        far = tokens if reach is None else reach
        whole = LocalAttention(sight, far, tf.float32)(*values, whole=True)[0]
    found, expected = (tape.gradient(x, values, upstream) for x in (cut, whole))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
