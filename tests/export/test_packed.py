"""The packed encoder against transformers' own, on padded batches with any number of masks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.architectures import small_model
from tfmlm.export.packed import LAYERS, PackedPredictor, is_packable
from tfmlm.export.predictor import ModelPredictor

BATCHES = {
    "one row": ([20], [[0, 3]]),
    "mixed lengths": ([20, 3, 14], [[0, 3], [1, 0], [1, 2], [2, 13]]),
    "every position": ([4, 2], [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1]]),
    "a row without a mask": ([5, 9, 7], [[0, 1], [2, 6]]),
}


@pytest.mark.parametrize("few", [0, 10**9])
@pytest.mark.parametrize("architecture", LAYERS)
def test_logits_and_variables(monkeypatch, architecture, few):
    """With layer norm in one operation and in steps."""
    monkeypatch.setattr("tfmlm.export.packed._FEW", few)
    model = small_model(architecture)
    packed, plain = PackedPredictor(model, None), ModelPredictor(model)
    generator = np.random.default_rng(0)
    for lengths, places in BATCHES.values():
        mask = np.arange(max(lengths)) < np.array(lengths)[:, np.newaxis]
        ids = tf.constant(np.where(mask, generator.integers(5, 99, mask.shape), 1), tf.int32)
        attention = tf.constant(mask, tf.int32)
        indices = tf.constant(places, tf.int32)
        found = packed(ids, attention, indices)
        np.testing.assert_allclose(found, plain(ids, attention, indices), atol=5e-6)
    sizes = [v.shape.num_elements() for v in model.variables]
    assert sum(v.shape.num_elements() for v in packed.variables) == sum(sizes)


def test_what_is_left_to_transformers():
    assert not is_packable(small_model("albert"))
    relative = small_model("bert", position_embedding_type="relative_key")
    assert not is_packable(relative)
    assert is_packable(small_model("bert"))


def test_a_row_that_attends_to_nothing():
    model = small_model("bert")
    ids, indices = tf.zeros([1, 1], tf.int32), tf.zeros([1, 2], tf.int32)
    assert PackedPredictor(model, None)(ids, tf.zeros([1, 1], tf.int32), indices).shape == (1, 99)
