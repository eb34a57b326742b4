"""Gradients with fewer passes over memory than automatic differentiation writes.

On a CPU a quarter of a small model's step goes into activations, layer norms and the loss, which
are bound by memory; each function here is equal to TensorFlow's up to rounding.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tf_keras
from transformers.activations_tf import ACT2FN


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Cross-entropy and its gradient as `SparseSoftmaxCrossEntropyWithLogits` gives them.

    That operation takes two to three times as long on a CPU as a softmax, of which the gradient
    is a difference. The loss is taken by way of the most probable token, whose probability is
    never too small for float32.

    Args:
        logits: float32 [N, vocabulary].
        targets: integer [N].

    Returns:
        Losses [N] in nats, and their gradients by `logits` [N, vocabulary].
    """
    probabilities = tf.nn.softmax(logits)
    rows = tf.range(tf.shape(targets)[0], dtype=targets.dtype)
    places = tf.stack([rows, targets], axis=1)
    below_top = tf.reduce_max(logits, axis=-1) - tf.gather_nd(logits, places)
    losses = below_top - tf.math.log(tf.reduce_max(probabilities, axis=-1))
    return losses, tf.tensor_scatter_nd_sub(probabilities, places, tf.ones_like(losses))


@tf.custom_gradient
def gelu(inputs: tf.Tensor) -> Any:
    """x · Φ(x), the exact GELU (Hendrycks and Gimpel, 2016)."""
    cdf = tf.math.erf(inputs * math.sqrt(0.5)) * 0.5 + 0.5

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        density = tf.exp(tf.square(inputs) * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))
        return upstream * (cdf + inputs * density)

    return inputs * cdf, gradient


def _layer_norm(
    inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor | None, epsilon: float
) -> tf.Tensor:
    """Layer norm over the last axis; without `beta`, there is no offset."""

    @tf.custom_gradient
    def norm(inputs: tf.Tensor, gamma: tf.Tensor, *beta: tf.Tensor) -> Any:
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        inverse = tf.math.rsqrt(variance + epsilon)
        normal = centred * inverse

        def gradient(upstream: tf.Tensor) -> tuple[Any, ...]:
            by_gamma = upstream * normal
            by_normal = upstream * gamma
            mean = tf.reduce_mean(by_normal, axis=-1, keepdims=True)
            slope = tf.reduce_mean(by_gamma * gamma, axis=-1, keepdims=True)
            by_inputs = (by_normal - mean - normal * slope) * inverse
            return by_inputs, _column_sums(by_gamma), *(_column_sums(upstream) for _ in beta)

        scaled = normal * gamma
        return (scaled + beta[0] if beta else scaled), gradient

    return norm(inputs, gamma) if beta is None else norm(inputs, gamma, beta)


def _column_sums(values: tf.Tensor) -> tf.Tensor:
    """Sums over all axes but the last, as a product with ones: faster than `tf.reduce_sum`."""
    rows = tf.reshape(values, [-1, values.shape[-1]])
    return tf.matmul(tf.ones([1, tf.shape(rows)[0]], rows.dtype), rows)[0]


class _Mode(threading.local):
    """Whether this thread traces or runs a training step."""

    short: bool = False


_mode = _Mode()


@contextlib.contextmanager
def short_gradients() -> Iterator[None]:
    """Inside the block, in this thread, layers compute as `use_short_gradients` prepared them.

    Elsewhere they are transformers' and Keras' own, which the graph optimizer fuses for serving.
    """
    previous, _mode.short = _mode.short, True
    try:
        yield
    finally:
        _mode.short = previous


def use_short_gradients(model: tf_keras.Model) -> int:
    """Prepares the layers of a built model for `short_gradients`; returns how many changed."""
    plain_gelu = ACT2FN["gelu"]
    count = 0
    for layer in model.submodules:
        for name, value in list(vars(layer).items()):
            if value is plain_gelu:
                setattr(layer, name, _Either(gelu, plain_gelu))
                count += 1
        if isinstance(layer, tf_keras.layers.LayerNormalization) and _is_usual(layer):
            layer.call = _Either(_ShortNorm(layer), layer.call)
            count += 1
    return count


def _is_usual(layer: Any) -> bool:
    """Over the last axis, with a scale, by Keras' plain operations, and not prepared."""
    if not layer.built or layer._fused or layer.gamma is None:
        return False
    return len(layer.gamma.shape) == 1 and not isinstance(layer.call, _Either)


class _Either:
    """One function inside of `short_gradients`, another outside."""

    def __init__(self, short: Callable[..., Any], plain: Callable[..., Any]) -> None:
        self._short = short
        self._plain = plain

    def __call__(self, inputs: tf.Tensor) -> Any:
        return self._short(inputs) if _mode.short else self._plain(inputs)


class _ShortNorm:
    """`LayerNormalization.call` with a short gradient."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        layer = self._layer
        # As Keras: half-precision inputs are normalized in float32, the variables' dtype.
        outputs = _layer_norm(
            tf.cast(inputs, layer.dtype),
            tf.convert_to_tensor(layer.gamma),
            None if layer.beta is None else tf.convert_to_tensor(layer.beta),
            layer.epsilon,
        )
        return tf.cast(outputs, layer.compute_dtype)
