"""The packed encoder against transformers' own, on padded batches with any number of masks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import small_model
from tfmlm.checkpoint.frame import Frame
from tfmlm.export.encoder.packed import PackedPredictor
from tfmlm.export.encoder.packed_parts import ARCHITECTURES
from tfmlm.export.encoder.predictor import ModelPredictor, TokenTypes

BATCHES = {
    "one row": ([20], [[0, 3]]),
    "mixed lengths": ([20, 3, 14], [[0, 3], [1, 0], [1, 2], [2, 13]]),
    "every position": ([4, 2], [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1]]),
    "a row without a mask": ([5, 9, 7], [[0, 1], [2, 6]]),
}


#: Up to how many numbers layer norm goes by steps; bytes of a product that one thread runs; into
#: how many products query, key and value, and into how many pieces the two dense layers are cut.
FORMS = {
    "norm by steps": (10**9, 10**9, 1, 1),
    "norm at once": (0, 10**9, 1, 1),
    "pieces": (10**9, 4096, 3, 2),
    "uneven pieces": (10**9, 3072, 1, 3),
    "too many pieces": (10**9, 1024, 1, 1),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_and_variables(monkeypatch, architecture, form):
    """As transformers' code, and no variable twice."""
    few, one_thread, products, pieces = FORMS[form]
    monkeypatch.setattr("tfmlm.export.encoder.packed_layers._FEW", few)
    monkeypatch.setattr("tfmlm.export.encoder.packed_layers._ONE_THREAD", one_thread)
    untied = form == "pieces"  # an output matrix of its own
    model = small_model(architecture, tie_word_embeddings=not untied)
    packed, plain = PackedPredictor(model, None), ModelPredictor(model)
    generator = np.random.default_rng(0)
    for lengths, places in BATCHES.values():
        mask = np.arange(max(lengths)) < np.array(lengths)[:, np.newaxis]
        ids = tf.constant(np.where(mask, generator.integers(5, 99, mask.shape), 1), tf.int32)
        attention = tf.constant(mask, tf.int32)
        indices = tf.constant(places, tf.int32)
        found = packed(ids, attention, indices)
        np.testing.assert_allclose(found, plain(ids, attention, indices), atol=5e-6)
    assert {len(layer.query_key_value) for layer in packed.layers} == {products}
    assert {len(layer.feed_forward.inner) for layer in packed.layers} == {pieces}
    # The one type that tokens have is part of the positions.
    needed = [v for v in model.variables if "token_type" not in v.name]
    assert _numbers(packed.variables) == _numbers(needed)


@pytest.mark.parametrize(
    "types", [{"before_types": (1,)}, {"text_type": 1}, {"behind_types": (1,)}]
)
def test_token_types_of_the_tokenizer(types):
    model, types = small_model("bert"), TokenTypes(Frame(**types))
    ids = tf.constant([[5, 6, 7], [8, 9, 1]])
    attention, indices = tf.constant([[1, 1, 1], [1, 1, 0]]), tf.constant([[0, 0], [0, 2], [1, 1]])
    found, expected = (
        kind(model, types)(ids, attention, indices) for kind in (PackedPredictor, ModelPredictor)
    )
    np.testing.assert_allclose(found, expected, atol=5e-6)
    without = PackedPredictor(model, None)(ids, attention, indices)
    assert np.abs(found - without).max() > 1e-4


def _numbers(variables):
    return sum(v.shape.num_elements() for v in variables)


def test_a_row_that_attends_to_nothing():
    model = small_model("bert")
    ids, indices = tf.zeros([1, 1], tf.int32), tf.zeros([1, 2], tf.int32)
    assert PackedPredictor(model, None)(ids, tf.zeros([1, 1], tf.int32), indices).shape == (1, 99)
