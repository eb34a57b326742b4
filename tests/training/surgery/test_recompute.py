"""Layers that run again in the backward pass: the same gradients, dropout included."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import ARCHITECTURES, small_model
from tfmlm.checkpoint.masked_positions import masked_logits
from tfmlm.errors import UserError
from tfmlm.training.surgery.dropout import dropout_seed, make_dropout_stateless
from tfmlm.training.surgery.gradients import short_gradients, use_short_gradients
from tfmlm.training.surgery.recompute import (
    _LAYERS,
    prepare_recomputation,
    recomputed_layers,
    require_recomputation,
)

DROPOUT = {
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.2,
}
OWN = {
    "distilbert": {"dropout": 0.2, "attention_dropout": 0.2},
    "eurobert": {"attention_dropout": 0.2},
    "modernbert": {"mlp_dropout": 0.2, "attention_dropout": 0.2},
}


@pytest.mark.parametrize("architecture", sorted(_LAYERS))
def test_gradients_are_the_same_with_dropout(architecture: str) -> None:
    model = small_model(architecture, **OWN.get(architecture, DROPOUT))
    make_dropout_stateless(model)
    use_short_gradients(model)
    layers = prepare_recomputation(model)
    assert layers == model.config.num_hidden_layers - 1 == prepare_recomputation(model) > 0
    ids = np.random.default_rng(0).integers(5, 60, (2, 16)).astype(np.int32)
    inputs = {"input_ids": tf.constant(ids), "attention_mask": tf.ones_like(ids)}
    positions = tf.constant([[0, 3], [1, 5], [1, 9]], tf.int64)
    kept = []

    def gradients(again: bool, step: int = 7) -> list[np.ndarray]:
        with tf.GradientTape() as tape, dropout_seed(tf.constant([1, step])), short_gradients():
            if again:
                with recomputed_layers():
                    logits = masked_logits(model, inputs, positions, training=True)
            else:
                logits = masked_logits(model, inputs, positions, training=True)
        kept.append(logits.numpy())
        found = tape.gradient(logits, model.trainable_variables, output_gradients=tf.cos(logits))
        return [tf.convert_to_tensor(g).numpy() for g in found if g is not None]

    expected, received, other = gradients(False), gradients(True), gradients(True, step=8)
    np.testing.assert_allclose(kept[0], kept[1], atol=1e-6)
    assert len(expected) == len(received)
    for a, b in zip(expected, received, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert np.abs(kept[1] - kept[2]).max() > 1e-3  # dropout is on
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(received, other, strict=True))


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - set(_LAYERS)))
def test_others_are_refused_by_name(architecture: str) -> None:
    config = type("Config", (), {"model_type": architecture})
    with pytest.raises(UserError, match=f"does not work with {architecture}; it works with bert"):
        require_recomputation(config)
