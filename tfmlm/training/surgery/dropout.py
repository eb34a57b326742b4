"""Stateless dropout: a function of (seed, step, replica, layer), so that a run can be resumed.

Keras draws dropout from generators with a state of their own, one a layer and replica. Here the
layers of a model ask for a seed that belongs to the step instead; nothing has to be saved.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tf_keras


class _Step(threading.local):
    """Seed of the step that this thread traces or runs, and the calls so far."""

    seed: Any = None
    calls: int = 0


_step = _Step()
_LEVELS = 1 << 16


@contextlib.contextmanager
def dropout_seed(seed: tf.Tensor) -> Iterator[None]:
    """Dropout inside the block, in this thread, is determined by `seed` (int32 [2])."""
    previous = _step.seed, _step.calls
    _step.seed, _step.calls = seed, 0
    try:
        yield
    finally:
        _step.seed, _step.calls = previous


def step_seed(seed: int, step: tf.Tensor, replica: Any, part: Any = 0) -> tf.Tensor:
    """Seed int32 [2] of one (step, replica, micro-batch) of a run with this seed."""
    base = tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)])
    base = tf.random.experimental.stateless_fold_in(base, tf.cast(replica, tf.int32))
    return tf.random.experimental.stateless_fold_in(base, tf.cast(part, tf.int32))


def same_dropout_again() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A block in which dropout draws once more what it draws from here on."""
    seed, calls = _step.seed, _step.calls

    @contextlib.contextmanager
    def again() -> Iterator[None]:
        previous = _step.seed, _step.calls
        _step.seed, _step.calls = seed, calls
        try:
            yield
        finally:
            _step.seed, _step.calls = previous

    return again


def make_dropout_stateless(model: tf_keras.Model) -> int:
    """Makes every dropout layer of a model draw from `dropout_seed`; returns how many there are.

    Outside of `dropout_seed` the layers draw as before.
    """
    count = 0
    for layer in _layers(model):
        if isinstance(layer, tf_keras.layers.Dropout):
            if not isinstance(layer._random_generator, _StatelessGenerator):
                layer._random_generator = _StatelessGenerator(layer._random_generator)
            count += 1
        elif hasattr(layer, "xdropout"):  # DeBERTa's own dropout layer
            _replace_xdropout(layer)
            count += 1
    return count


def _layers(model: tf_keras.Model) -> Iterator[Any]:
    """All layers, also those that plain objects hold (Funnel's attention structure)."""
    for module in model.submodules:
        yield module
        for value in list(vars(module).values()):
            if type(value).__module__.startswith("transformers.") and not hasattr(value, "call"):
                members = vars(value).values() if hasattr(value, "__dict__") else ()
                yield from (m for m in members if isinstance(m, tf_keras.layers.Layer))


def _next_seed() -> tf.Tensor:
    _step.calls += 1
    return tf.random.experimental.stateless_fold_in(_step.seed, _step.calls)


def dropout(inputs: tf.Tensor, rate: float, seed: tf.Tensor, noise_shape: Any = None) -> tf.Tensor:
    """Inverted dropout as `tf.nn.experimental.stateless_dropout`, with 16 random bits an element.

    Half the random numbers, and a gradient of one multiplication: a fifth of the time of a small
    model's step goes into its dropout otherwise.

    Args:
        inputs: floating-point tensor.
        rate: probability of an element to become 0, rounded to a multiple of 2⁻¹⁶; what stays is
            scaled by the inverse of the rounded probability to stay, so the mean is kept exactly.
        seed: int32 [2].
        noise_shape: shape of the draws, broadcast to that of `inputs`, if it is another.
    """
    kept = round((1.0 - rate) * _LEVELS)
    if kept <= 0 or noise_shape is not None:
        return tf.nn.experimental.stateless_dropout(
            inputs, rate=rate, seed=seed, noise_shape=noise_shape, rng_alg="philox"
        )
    if kept >= _LEVELS:
        return inputs
    shape = tf.shape(inputs)
    size = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        [(size + 1) // 2], seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )
    bits = tf.reshape(tf.bitcast(words, tf.int16), [-1])[:size]
    stays = tf.cast(bits < kept - _LEVELS // 2, inputs.dtype) * (_LEVELS / kept)
    return inputs * tf.stop_gradient(tf.reshape(stays, shape))


class _StatelessGenerator(tf.Module):
    """Stands in for a Keras layer's random generator; trackable, so that the model can be saved."""

    def __init__(self, original: Any) -> None:
        super().__init__(name="stateless_generator")
        self._original = original

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_self_") or "_original" not in self.__dict__:  # tf.Module's own
            raise AttributeError(name)
        return getattr(self._original, name)

    def dropout(self, inputs: tf.Tensor, rate: float, noise_shape: Any = None) -> tf.Tensor:
        if _step.seed is None:
            return self._original.dropout(inputs, rate, noise_shape=noise_shape)
        return dropout(inputs, rate, _next_seed(), noise_shape)


def _replace_xdropout(layer: Any) -> None:
    original = layer.xdropout

    def xdropout(inputs: tf.Tensor) -> tf.Tensor:
        if _step.seed is None:
            return original(inputs)
        if not layer.drop_prob:
            return inputs
        return dropout(inputs, layer.drop_prob, _next_seed())

    layer.xdropout = xdropout
