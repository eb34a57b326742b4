"""The packed ModernBERT against the model itself, on padded batches with any number of masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.export.encoder.test_packed import BATCHES
from tests.small_models import small_model
from tfmlm.export.encoder.packed_modernbert import PackedModernBert
from tfmlm.export.encoder.predictor import ModelPredictor

#: The last of four layers sees the whole text, or (every 2) a window.
OPTIONS: dict[str, dict[str, Any]] = {
    "last layer whole": {},
    "last layer local": {"global_attn_every_n_layers": 2},
    "one layer": {"num_hidden_layers": 1},
    "biases": {
        "norm_bias": True,
        "attention_bias": True,
        "mlp_bias": True,
        "classifier_bias": True,
        "global_attn_every_n_layers": 2,
    },
    "no bias at all": {"decoder_bias": False},
    "untied": {"tie_word_embeddings": False},
}
LONG = {"cut into chunks": ([200, 3, 131], [[0, 0], [0, 150], [1, 2], [2, 130]])}


@pytest.mark.parametrize("few", [0, 10**9])
@pytest.mark.parametrize("name", OPTIONS)
def test_logits_and_variables(monkeypatch: pytest.MonkeyPatch, name: str, few: int) -> None:
    """As the model, and no variable twice."""
    monkeypatch.setattr("tfmlm.export.encoder.packed_layers._FEW", few)
    model = small_model("modernbert", **OPTIONS[name])
    packed, plain = PackedModernBert(model), ModelPredictor(model)
    generator = np.random.default_rng(0)
    for lengths, places in (BATCHES | LONG).values():
        mask = np.arange(max(lengths)) < np.array(lengths)[:, np.newaxis]
        ids = tf.constant(np.where(mask, generator.integers(5, 99, mask.shape), 1), tf.int32)
        attention = tf.constant(mask, tf.int32)
        indices = tf.constant(places, tf.int32)
        found = packed(ids, attention, indices)
        np.testing.assert_allclose(found, plain(ids, attention, indices), atol=5e-6)
    numbers = [sum(v.shape.num_elements() for v in kind.variables) for kind in (packed, model)]
    assert numbers[0] == numbers[1]


def test_a_row_that_attends_to_nothing() -> None:
    packed = PackedModernBert(small_model("modernbert"))
    ids, indices = tf.zeros([1, 1], tf.int32), tf.zeros([1, 2], tf.int32)
    assert np.isfinite(packed(ids, tf.zeros([1, 1], tf.int32), indices)).all()
