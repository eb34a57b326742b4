"""Rotary embeddings are turns of complex numbers, by angles of PyTorch's float32 frequencies."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.architectures.rotary import inverse_frequencies, require_default_rope, rotate, rotation
from tfmlm.errors import UserError


@pytest.mark.parametrize("theta", [10000.0, 160000.0, 250000.0])
def test_vectors_are_turned_as_complex_numbers(theta: float) -> None:
    width, positions = 8, np.array([[0, 1, 7, 300], [5, 5, 8191, 2]])
    vectors = np.random.default_rng(0).normal(size=(2, 4, 3, width))
    frequencies = 1.0 / theta ** (np.arange(0, width, 2) / width)
    angles = positions[:, :, None, None] * frequencies
    turned = (vectors[..., : width // 2] + 1j * vectors[..., width // 2 :]) * np.exp(1j * angles)
    expected = np.concatenate([turned.real, turned.imag], -1)
    turn = rotation(tf.constant(positions), theta, width)
    assert turn[0].shape == turn[1].shape == (2, 4, 1, width // 2)
    found = rotate(tf.constant(vectors, tf.float32), turn)
    np.testing.assert_allclose(found, expected, atol=3e-3)  # float32 angles of up to 8191
    np.testing.assert_allclose(found[:, :2], expected[:, :2], atol=1e-5)
    half = rotate(tf.constant(vectors, tf.float16), turn)
    assert half.dtype == tf.float16


def test_frequencies_are_rounded_before_they_are_inverted() -> None:
    found = inverse_frequencies(10000.0, 64)
    assert found.dtype == np.float32 and found.shape == (32,)
    for j, frequency in enumerate(found):
        power = np.float32(10000.0 ** float(np.float32(2 * j) / np.float32(64)))
        assert frequency == np.float32(1.0) / power


def test_other_rotary_embeddings_are_refused() -> None:
    for plain in (None, {}, {"rope_theta": 1e4}, {"rope_type": "default"}, {"type": "default"}):
        require_default_rope(plain, "rope_scaling")
    for other in ({"type": "linear"}, {"rope_type": "yarn", "type": "default"}):
        with pytest.raises(UserError, match=r"^rope_scaling: rope_type '(linear|yarn)'"):
            require_default_rope(other, "rope_scaling")
    with pytest.raises(UserError, match="partial_rotary_factor"):
        require_default_rope({"partial_rotary_factor": 0.5}, "rope_parameters")
