"""AdamWeightDecay's exclusions for all architectures."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.small_models import ARCHITECTURES, small_model
from tfmlm.errors import UserError
from tfmlm.training.optimizer import (
    MaskedLMAdamWeightDecay,
    create_optimizer,
    path_below_model,
)
from tfmlm.training.schedule import WarmupSchedule


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_matrices_decay_and_biases_and_norms_do_not(architecture: str) -> None:
    model = small_model(architecture)
    optimizer, _ = create_optimizer(1e-3, 10)
    for variable in model.trainable_variables:
        name = variable.name
        last = path_below_model(name).split("/")[-1]
        is_norm = "/LayerNorm/" in name or last in ("gamma", "beta")
        expected = not (last == "bias" or is_norm)
        assert optimizer.decays(name) == expected, name
        if variable.shape.rank >= 2:
            assert optimizer.decays(name), name
    undecayed = [v for v in model.trainable_variables if not optimizer.decays(v.name)]
    assert 0 < len(undecayed) < len(model.trainable_variables)


def test_names_that_only_look_like_exclusions() -> None:
    optimizer, _ = create_optimizer(1e-3, 10)
    assert optimizer.decays("tf_roberta_pre_layer_norm_for_masked_lm/roberta/dense/kernel:0")
    assert optimizer.decays("tf_mp_net/mpnet/encoder/relative_attention_bias/embeddings:0")
    assert optimizer.decays("tf_funnel/funnel/encoder/blocks/attention/r_w_bias:0")
    assert not optimizer.decays("model/encoder/LayerNorm/weight:0")
    assert not optimizer.decays("model/dense/bias:0")
    # Copies of a weight on other devices.
    assert not optimizer.decays("model/dense/bias/replica_1:0")
    assert not optimizer.decays("model/norm/gamma/replica_12:0")
    assert optimizer.decays("model/dense/kernel/replica_1:0")


def test_lists_are_kept_in_the_config() -> None:
    optimizer = MaskedLMAdamWeightDecay(
        WarmupSchedule(1e-3, 10, 2, "cosine"),
        weight_decay_rate=0.1,
        include_in_weight_decay=["special/bias"],
        exclude_from_weight_decay=["bias$"],
    )
    again = MaskedLMAdamWeightDecay.from_config(optimizer.get_config())
    for name, decays in {"m/special/bias:0": True, "m/bias:0": False, "m/gamma:0": True}.items():
        assert again.decays(name) == decays
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate(5)) == float(optimizer.learning_rate(5))


def test_decay_is_decoupled() -> None:
    """With a gradient of 0 a weight shrinks by the factor 1 − rate · decay, a bias not at all."""
    layer = tf_keras.layers.Dense(3, bias_initializer="ones")
    model = tf_keras.Sequential([tf_keras.Input([2]), layer])
    optimizer = MaskedLMAdamWeightDecay(0.5, weight_decay_rate=0.1)
    before = layer.kernel.numpy()
    zeros = [np.zeros(v.shape, np.float32) for v in model.trainable_variables]
    optimizer.apply_gradients(zip(zeros, model.trainable_variables, strict=True))
    np.testing.assert_allclose(layer.kernel.numpy(), before * (1 - 0.5 * 0.1), rtol=1e-6)
    np.testing.assert_array_equal(layer.bias.numpy(), np.ones(3))


def test_wrong_numbers() -> None:
    with pytest.raises(UserError, match="warm-up has 11 steps"):
        create_optimizer(1e-3, 10, num_warmup_steps=11)
    with pytest.raises(UserError, match="num_train_steps is 0"):
        create_optimizer(1e-3, 0)
    with pytest.raises(UserError, match="choose from linear"):
        create_optimizer(1e-3, 10, schedule="step")
    for name, value in (
        ("learning_rate", float("nan")),
        ("init_lr", -1.0),
        ("learning_rate", "1e-3"),
        ("num_warmup_steps", "2"),
        ("adam_beta1", 1.5),
        ("beta_2", 1.0),
        ("epsilon", -1e-8),
        ("weight_decay_rate", float("inf")),
        ("max_grad_norm", "1"),
    ):
        rate = {} if name in ("learning_rate", "init_lr") else {"learning_rate": 1e-3}
        with pytest.raises(UserError, match=f"must be a number of at least 0.*{value}"):
            create_optimizer(num_train_steps=10, **{**rate, name: value})
    create_optimizer(np.float32(1e-3), np.int64(10), np.int32(2), beta_1=0.0)


def test_keywords_of_transformers_give_its_optimizer() -> None:
    from transformers import create_optimizer as original

    options = {
        "init_lr": 2e-4,
        "num_train_steps": 20,
        "num_warmup_steps": 4,
        "min_lr_ratio": 0.1,
        "adam_beta1": 0.8,
        "adam_beta2": 0.99,
        "adam_epsilon": 1e-6,
        "adam_clipnorm": 2.0,
        "weight_decay_rate": 0.05,
        "power": 2.0,
    }
    ours, schedule = create_optimizer(**options)
    theirs, their_schedule = original(**options)
    for name in ("beta_1", "beta_2", "epsilon", "weight_decay_rate"):
        assert ours.get_config()[name] == theirs.get_config()[name], name
    assert (ours.clipnorm, ours.global_clipnorm) == (2.0, None)
    # The fall is the same; the warm-up loses no step here.
    falling = [float(schedule(s)) for s in range(4, 20)]
    assert falling == pytest.approx([float(their_schedule(s)) for s in range(4, 20)], rel=1e-5)
    plain, _ = create_optimizer(init_lr=1e-3, num_train_steps=5)
    assert plain.weight_decay_rate == 0.0
    positional, rate = create_optimizer(1e-3, 10, 5)
    assert positional.weight_decay_rate == 0.01
    assert float(rate(0)) == pytest.approx(2e-4)
    with pytest.raises(UserError, match="learning_rate and init_lr are the same"):
        create_optimizer(1e-3, 10, init_lr=1e-3)
    with pytest.raises(UserError, match="learning_rate is missing"):
        create_optimizer(num_train_steps=10)


def test_stable_adamw_is_algorithm_2_of_its_paper() -> None:
    """Wortsman et al., 2023, in float64, with its own way to leave the moments' bias out."""
    random = np.random.default_rng(0)
    matrix = tf_keras.layers.Dense(3)
    matrix.build([None, 4])
    theta = matrix.kernel.numpy().astype(np.float64)
    optimizer, rate = create_optimizer(
        1e-2,
        10,
        num_warmup_steps=2,
        optim="stable_adamw",
        weight_decay=0.1,
        beta_2=0.9,
        epsilon=1e-12,
    )
    v, u, slowed = np.zeros_like(theta), np.zeros_like(theta), 0
    for t in range(1, 8):
        # Gradients that grow suddenly, which is what the clipping is for; one that is sparse.
        g = random.normal(size=theta.shape).astype(np.float32) * (10.0 if t == 4 else 1.0)
        given = tf.constant(g)
        if t == 6:
            g[2] = 0
            rows = [0, 1, 3]
            given = tf.IndexedSlices(tf.gather(g, rows), tf.constant(rows), tf.constant([4, 3]))
        optimizer.apply_gradients([(given, matrix.kernel)])
        beta1 = 0.9 * (1 - 0.9 ** (t - 1)) / (1 - 0.9**t)
        beta2 = 0.9 * (1 - 0.9 ** (t - 1)) / (1 - 0.9**t)
        v = beta1 * v + (1 - beta1) * g
        u = beta2 * u + (1 - beta2) * np.square(g, dtype=np.float64)
        rms = np.sqrt(np.mean(np.square(g) / np.maximum(u, 1e-24)))
        slowed += rms > 1
        eta = float(rate(t - 1)) / max(1.0, rms)
        theta = theta - eta * 0.1 * theta - eta * v / (np.sqrt(u) + 1e-12)
        np.testing.assert_allclose(matrix.kernel.numpy(), theta, rtol=2e-5, atol=1e-6)
    assert 0 < slowed < 7
    again = MaskedLMAdamWeightDecay.from_config(optimizer.get_config())
    assert again.update_clipping


def test_optimizers_are_chosen_by_name() -> None:
    with pytest.raises(UserError, match="optim is 'lion'; choose from adamw, stable_adamw"):
        create_optimizer(1e-3, 10, optim="lion")
    assert not create_optimizer(1e-3, 10)[0].update_clipping
