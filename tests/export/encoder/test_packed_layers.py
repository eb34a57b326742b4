"""The parts of packed layers against NumPy: indices, norms and products in pieces."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tfmlm.export.encoder import packed_layers
from tfmlm.export.encoder.packed_layers import (
    Dense,
    Norm,
    _FeedForward,
    are_few,
    merge_index,
    slots_of,
    split_index,
)

GENERATOR = np.random.default_rng(0)


def test_heads_are_split_and_merged() -> None:
    heads, width, mask = 3, 2, np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], bool)
    position = np.argwhere(mask).astype(np.int32)
    place = np.zeros(mask.shape, np.int32)
    place[mask] = np.arange(len(position))
    tokens = GENERATOR.normal(size=(len(position), 2 * heads * width)).astype(np.float32)
    index = split_index(tf.constant(place), 2, heads)
    assert index.shape == (2, 3, heads, 4)
    split = tf.gather(tokens.reshape(-1, width), index).numpy()
    apart = tokens.reshape(-1, 2, heads, width)
    for number, (row, column) in enumerate(position):
        np.testing.assert_array_equal(split[:, row, :, column], apart[number])
    merge = merge_index(tf.constant(position), heads, tf.constant(4))
    back = tf.gather(split[0].reshape(-1, width), merge).numpy()
    np.testing.assert_array_equal(back, apart[:, 0])


def test_every_mask_has_a_slot_of_its_row() -> None:
    indices = np.array([[0, 7], [2, 0], [2, 3], [2, 9], [3, 1]], np.int32)
    position, number = slots_of(tf.constant(indices), tf.constant(5))
    assert position.numpy().tolist() == [[0, 0], [2, 0], [2, 1], [2, 2], [3, 0]]
    assert number.numpy().tolist() == [[0, 0, 0], [0, 0, 0], [1, 2, 3], [4, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_norms_are_their_formula(few: bool, center: bool) -> None:
    keras = tf_keras.layers.LayerNormalization(epsilon=1e-5, center=center)
    keras.build([None, 16])
    for weight in keras.weights:
        weight.assign(GENERATOR.normal(size=weight.shape))
    rows = GENERATOR.normal(2.0, 3.0, size=(7, 16)).astype(np.float32)
    normed = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-5)
    expected = normed * keras.gamma.numpy() + (keras.beta.numpy() if center else 0.0)
    found = Norm(keras)(tf.constant(rows), tf.constant(few))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert bool(are_few(tf.constant(rows)))
    assert not bool(are_few(tf.zeros([1001, 100])))


@pytest.mark.parametrize(("one_thread", "pieces"), [(10**9, 1), (700, 2), (400, 3), (8, 1)])
def test_pieces_add_up(one_thread: int, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_layers, "_ONE_THREAD", one_thread)
    first, second = tf_keras.layers.Dense(31), tf_keras.layers.Dense(8)
    first.build([None, 8])
    second.build([None, 31])
    for weight in (*first.weights, *second.weights):
        weight.assign(GENERATOR.normal(size=weight.shape))
    parts = SimpleNamespace(activation=tf.nn.relu, intermediate=first, output=second)
    layer = _FeedForward(parts, Dense)
    assert len(layer.inner) == pieces
    rows = GENERATOR.normal(size=(5, 8)).astype(np.float32)
    w1, b1, w2, b2 = (w.numpy() for w in (*first.weights, *second.weights))
    expected = rows + np.maximum(rows @ w1 + b1, 0) @ w2 + b2
    np.testing.assert_allclose(layer(tf.constant(rows)), expected, atol=1e-4)
    np.testing.assert_allclose(Dense.of(first)(rows), rows @ w1 + b1, atol=1e-5)
