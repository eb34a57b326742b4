"""Every random draw of a training step is a function of (seed, step), for all architectures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import ARCHITECTURES, small_model
from tfmlm.data.masking import IGNORED
from tfmlm.training.surgery.dropout import dropout
from tfmlm.training.trainer import MaskedLMTrainer

RATES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")


def batch() -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    random = np.random.default_rng(0)
    ids = random.integers(6, 99, (3, 16)).astype(np.int32)
    labels = np.where(random.random((3, 16)) < 0.3, ids, IGNORED).astype(np.int32)
    features = {"input_ids": tf.constant(ids), "attention_mask": tf.ones_like(ids)}
    return features, tf.constant(labels)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_step_of_every_architecture(architecture: str) -> None:
    model = small_model(architecture)
    rates = {name: 0.3 for name in RATES if hasattr(model.config, name)}
    assert rates
    model = small_model(architecture, **rates)
    trainer = MaskedLMTrainer(model, seed=1)
    trainer.compile(tf.keras.optimizers.legacy.SGD(0.0), run_eagerly=True)
    features, labels = batch()

    def losses(first_step: int) -> list[float]:
        trainer.global_step.assign(first_step)
        result = []
        for _ in range(2):
            trainer.reset_metrics()
            result.append(float(trainer.train_on_batch(features, labels, return_dict=True)["loss"]))
        return result

    whole = losses(0)
    assert whole[0] != whole[1]  # dropout is on, and new in each step
    assert losses(1)[0] == whole[1]
    assert losses(0) == whole

    # Without dropout the loss is the mean over the masked tokens of the model's own logits.
    where = tf.where(labels != IGNORED)
    logits = tf.gather_nd(model(features, training=False).logits, where)
    expected = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather_nd(labels, where), logits)
    )
    trainer.reset_metrics()
    received = trainer.test_on_batch(features, labels, return_dict=True)["loss"]
    assert received == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_rate_scale_and_gradient(dtype: tf.DType) -> None:
    inputs = tf.ones([501, 333], dtype)  # an odd number of elements
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = dropout(inputs, 0.1, tf.constant([1, 2]))
    kept = round(0.9 * 65536) / 65536
    values = outputs.numpy().astype(np.float64)
    scale = float(tf.cast(1 / kept, dtype))
    assert set(np.unique(values)) == {0.0, scale}
    share = (values > 0).mean()
    assert abs(share - kept) < 4 * np.sqrt(kept * (1 - kept) / values.size)
    # No pattern over rows or columns: their shares scatter as those of independent draws.
    for axis in (0, 1):
        shares = (values > 0).mean(axis=axis)
        expected = np.sqrt(kept * (1 - kept) / values.shape[axis])
        assert 0.8 * expected < shares.std() < 1.2 * expected
    np.testing.assert_array_equal(tape.gradient(outputs, inputs), outputs)
    np.testing.assert_array_equal(dropout(inputs, 0.1, tf.constant([1, 2])), outputs)
    assert (dropout(inputs, 0.1, tf.constant([1, 3])) != outputs).numpy().any()
    assert dropout(inputs, 0.0, tf.constant([1, 2])) is inputs


def test_a_model_can_be_saved_as_keras_saves_it_after_training(tmp_path: Path) -> None:
    model = small_model("bert")
    trainer = MaskedLMTrainer(model)
    trainer.compile(tf.keras.optimizers.legacy.SGD(0.1))
    features, labels = batch()
    trainer.train_on_batch(features, labels)
    model.save_pretrained(tmp_path, saved_model=True)
    served = tf.saved_model.load(str(tmp_path / "saved_model" / "1"))
    inputs = {**features, "token_type_ids": tf.zeros_like(features["input_ids"])}
    np.testing.assert_allclose(
        served.signatures["serving_default"](**inputs)["logits"], model(inputs).logits, atol=1e-5
    )
