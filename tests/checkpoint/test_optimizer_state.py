"""The optimizer's state comes back by the variables' names, and training goes on as if at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from safetensors.numpy import load_file

from tfmlm.checkpoint.optimizer_state import (
    OPTIMIZER_STATE,
    load_optimizer_state,
    save_optimizer_state,
)
from tfmlm.errors import UserError

X = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
ADAMS = {"legacy": tf_keras.optimizers.legacy.Adam, "new": tf_keras.optimizers.Adam}


class Two(tf_keras.Model):
    """Two dense layers; the next one in a process has another name."""

    def __init__(self) -> None:
        super().__init__()
        self.first = tf_keras.layers.Dense(3, name="first")
        self.second = tf_keras.layers.Dense(1, name="second")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.second(self.first(x))


def made(optimizer: Any, weights: list[np.ndarray] | None = None) -> Two:
    model = Two()
    model(X)
    model.compile(optimizer=optimizer)
    if weights is not None:
        model.set_weights(weights)
    return model


def step(model: Two) -> list[np.ndarray]:
    """One step; its gradients."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(X) - 1.0))
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return [gradient.numpy() for gradient in gradients]


@pytest.mark.parametrize("kind", ADAMS)
def test_training_goes_on_as_without_a_stop(kind: str, tmp_path: Path) -> None:
    model = made(ADAMS[kind](0.1))
    step(model)
    step(model)
    path = save_optimizer_state(model, tmp_path, epoch=4)
    assert path == tmp_path / OPTIMIZER_STATE
    again = made(ADAMS[kind](0.1), model.get_weights())
    assert again.name != model.name
    assert load_optimizer_state(again, tmp_path) == 4
    assert int(again.optimizer.iterations) == 2
    fresh = made(ADAMS[kind](0.1), model.get_weights())
    for one in (model, again, fresh):
        step(one)
    for mine, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    both = zip(fresh.get_weights(), model.get_weights(), strict=True)
    assert any((a != b).any() for a, b in both)


def test_the_file_holds_adams_moments(tmp_path: Path) -> None:
    model = made(ADAMS["legacy"](0.1))
    gradients = step(model)
    stored = load_file(save_optimizer_state(model, tmp_path, epoch=0))
    expected = {"iterations": np.array(1)}
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        name = variable.name.split("/", 1)[1]
        expected |= {f"m/{name}": 0.1 * gradient, f"v/{name}": 0.001 * gradient**2}
    assert stored.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(stored[name], value, rtol=1e-4)


def test_another_optimizers_state_is_refused(tmp_path: Path) -> None:
    model = made(ADAMS["legacy"](0.1))
    with pytest.raises(UserError, match=r"no .*PushToHub\(checkpoint=True\) writes it"):
        load_optimizer_state(model, tmp_path)
    step(model)
    save_optimizer_state(model, tmp_path, epoch=0)
    other = made(tf_keras.optimizers.legacy.SGD(0.1, momentum=0.9), model.get_weights())
    before = step(other) and other.get_weights()
    with pytest.raises(UserError, match="another optimizer or model"):
        load_optimizer_state(other, tmp_path)
    assert all((a == b).all() for a, b in zip(before, other.get_weights(), strict=True))
