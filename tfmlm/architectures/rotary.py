"""Rotary position embeddings (Su et al., 2021), first half of a vector against the second."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.errors import UserError


def inverse_frequencies(theta: float, width: int) -> np.ndarray:
    """theta^(-2j / width) for j below width / 2: float32 [width / 2].

    The power is rounded to float32 before it is inverted, as PyTorch does: at position 8,192 a
    difference in a frequency's last bit would turn a vector by 5e-4.
    """
    exponents = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
    powers = np.power(float(theta), exponents.astype(np.float64)).astype(np.float32)
    return np.float32(1.0) / powers


def rotation(position_ids: tf.Tensor, theta: float, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Cosines and sines of the angles by which vectors at these positions are turned.

    Args:
        position_ids: integer [rows, tokens]; rows may be 1 for all.
        theta: base of the frequencies.
        width: size of a head's vector, even.

    Returns:
        Two float32 tensors [rows, tokens, 1, width / 2].
    """
    positions = tf.cast(position_ids, tf.float32)[:, :, tf.newaxis, tf.newaxis]
    angles = positions * tf.constant(inverse_frequencies(theta, width))
    return tf.cos(angles), tf.sin(angles)


def rotate(vectors: tf.Tensor, turn: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Turns vectors [batch, tokens, heads, width] as `rotation` says; computed in float32."""
    cosine, sine = turn
    first, second = tf.split(tf.cast(vectors, tf.float32), 2, axis=-1)
    turned = tf.concat([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
    return tf.cast(turned, vectors.dtype)


def require_default_rope(parameters: dict[str, Any] | None, field: str) -> None:
    """Refuses rotary embeddings other than the plain ones.

    Raises:
        UserError: another type, or parameters that only another type has.
    """
    if not parameters:
        return
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    if kind != "default":
        raise UserError(f"{field}: rope_type {kind!r} is not supported; only 'default' is")
    if parameters.get("partial_rotary_factor", 1.0) != 1.0:
        raise UserError(f"{field}: partial_rotary_factor is not supported; whole heads are turned")
