"""Every random draw of a training step is a function of (seed, step), for all architectures."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.architectures import ARCHITECTURES, small_model
from tfmlm.data.masking import IGNORED
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
