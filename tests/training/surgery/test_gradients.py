"""The short gradients equal those of automatic differentiation."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from transformers.activations_tf import ACT2FN

from tests.small_models import ARCHITECTURES, small_model
from tfmlm.checkpoint.masked_positions import masked_logits
from tfmlm.training.surgery.gradients import (
    cross_entropy,
    gelu,
    short_gradients,
    use_short_gradients,
)


def values(*shape: int, scale: float = 1.0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).normal(0, scale, shape), tf.float32)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_cross_entropy(scale: float) -> None:
    logits = values(40, 301, scale=scale)
    targets = tf.constant(np.random.default_rng(1).integers(0, 301, 40), tf.int64)
    losses, slopes = cross_entropy(logits, targets)
    expected, expected_slopes = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=logits, labels=targets
    )
    np.testing.assert_allclose(losses, expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(slopes, expected_slopes, atol=2e-7)


def test_cross_entropy_of_no_row_and_of_equal_logits() -> None:
    losses, slopes = cross_entropy(tf.zeros([0, 9]), tf.zeros([0], tf.int32))
    assert losses.shape == [0] and slopes.shape == [0, 9]
    losses, slopes = cross_entropy(tf.fill([2, 8], -1e9), tf.constant([0, 7]))
    np.testing.assert_allclose(losses, [math.log(8)] * 2, rtol=1e-6)
    np.testing.assert_allclose(slopes[1], [0.125] * 7 + [-0.875], rtol=1e-6)


def test_cross_entropy_of_bad_logits_is_not_a_number() -> None:
    losses, _ = cross_entropy(tf.constant([[0.0, math.nan], [0.0, 1.0]]), tf.constant([0, 0]))
    assert math.isnan(losses[0]) and not math.isnan(losses[1])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_gelu(dtype: str) -> None:
    inputs = tf.cast(tf.concat([values(999), [0.0, -40.0, 40.0, -6.0]], 0), dtype)
    found = []
    for function in (gelu, ACT2FN["gelu"]):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
        slopes = tape.gradient(outputs, inputs)
        assert outputs.dtype == slopes.dtype == dtype
        found.append((tf.cast(outputs, tf.float32), tf.cast(slopes, tf.float32)))
    rounding = {"float32": 1e-6, "bfloat16": 0.02, "float16": 0.003}[dtype]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_layer_norm(policy: str, center: bool) -> None:
    layer = tf_keras.layers.LayerNormalization(epsilon=1e-12, center=center, dtype=policy)
    inputs = tf.cast(values(3, 5, 16) * 3 + 1, layer.compute_dtype)
    model = tf_keras.Sequential([layer])
    model(inputs)
    layer.set_weights([values(16).numpy(), values(16).numpy() + 2][: 1 + center])
    upstream = tf.cast(values(3, 5, 16, scale=2.0), layer.compute_dtype)
    assert use_short_gradients(model) == 1
    assert use_short_gradients(model) == 0  # it is prepared already
    found = []
    for mode in (contextlib.nullcontext(), short_gradients()):
        with tf.GradientTape() as tape, mode:
            tape.watch(inputs)
            outputs = layer(inputs)
        variables = layer.trainable_variables
        slopes = tape.gradient(outputs, [inputs, *variables], output_gradients=upstream)
        assert [s.dtype for s in slopes] == [inputs.dtype, *(v.dtype for v in variables)]
        found.append([tf.cast(t, tf.float32) for t in (outputs, *slopes)])
    for ours, theirs in zip(*found, strict=True):
        rounding = 2e-6 if policy == "float32" else 0.01
        np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=rounding)


def test_layer_norms_of_another_kind_stay() -> None:
    for options in ({"epsilon": 1e-3}, {"scale": False}):
        layer = tf_keras.layers.LayerNormalization(**{"epsilon": 1e-12, **options})
        model = tf_keras.Sequential([layer])
        model(values(2, 4))
        assert use_short_gradients(model) == 0
    model = tf_keras.Sequential([tf_keras.layers.LayerNormalization(axis=(1, 2), epsilon=1e-12)])
    model(values(2, 4, 4))
    assert use_short_gradients(model) == 0


def test_outside_of_training_the_graph_is_as_transformers_wrote_it() -> None:
    model = small_model("bert")
    ids = tf.ones([1, 8], tf.int32)

    def operations() -> list[str]:
        graph = tf.function(lambda: model(ids).logits).get_concrete_function().graph
        return sorted(operation.type for operation in graph.get_operations())

    before = operations()
    assert use_short_gradients(model) > 0
    assert operations() == before
    with short_gradients():
        assert operations() != before


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_of_every_architecture(architecture: str) -> None:
    model = small_model(architecture)
    ids = tf.constant(np.random.default_rng(0).integers(6, 99, (2, 16)), tf.int32)
    features = {"input_ids": ids, "attention_mask": tf.ones_like(ids)}
    positions = tf.constant([[0, 3], [1, 2], [1, 9]], tf.int64)
    use_short_gradients(model)
    found = []
    for mode in (contextlib.nullcontext(), short_gradients()):
        with tf.GradientTape() as tape, mode:
            logits = masked_logits(model, features, positions)
            loss = tf.reduce_sum(tf.nn.log_softmax(logits)[:, 5])
        slopes = tape.gradient(loss, model.trainable_variables)
        found.append([logits, *(tf.convert_to_tensor(s) for s in slopes if s is not None)])
    scale = max(float(tf.norm(slope)) for slope in found[0])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * scale)
