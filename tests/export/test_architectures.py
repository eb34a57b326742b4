"""Every architecture answers ids as its model does, whatever its neighbours in the batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import ARCHITECTURES, small_model
from tfmlm.export.encoder.padding import EqualLengths, padding_is_neutral
from tfmlm.export.encoder.predictor import ModelPredictor
from tfmlm.export.graph.fill_mask import FillMask
from tfmlm.export.graph.settings import ExportSettings

MASK, PAD, VOCABULARY = 4, 1, 99
#: Encoders that mix neighbouring positions without regard to the attention mask.
TOUCHED_BY_PADDING = {"convbert", "funnel", "mobilebert"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_ids_as_the_model_in_a_batch_of_mixed_lengths(architecture):
    model = small_model(architecture, VOCABULARY)
    settings = ExportSettings(
        vocab_size=VOCABULARY, mask_id=MASK, pad_id=PAD, unk_id=3, max_length=32, top_k=4
    )
    predictor = ModelPredictor(model)
    neutral = padding_is_neutral(predictor, settings)
    assert neutral == (architecture not in TOUCHED_BY_PADDING)
    fill = FillMask(predictor if neutral else EqualLengths(predictor), settings)

    generator = np.random.default_rng(1)
    lengths = [12, 5, 20, 5]
    ids = np.full([4, 20], PAD, np.int32)
    attention = np.zeros([4, 20], np.int32)
    places = [[2, 7], [3], [0, 1, 19], []]
    for row, length in enumerate(lengths):
        ids[row, :length] = generator.integers(5, VOCABULARY, length)
        ids[row, places[row]] = MASK
        attention[row, :length] = 1
    ints = tf.TensorSpec([None, None], tf.int32)
    outputs = tf.function(fill.fill_ids, input_signature=[ints, ints], autograph=False)(
        ids, attention
    )
    for row, length in enumerate(lengths):
        alone = model({"input_ids": ids[row : row + 1, :length]}).logits
        probabilities = tf.nn.softmax(alone).numpy()[0]
        for slot in range(3):
            if slot >= len(places[row]):
                assert outputs["token"][row, slot].numpy().tolist() == [-1] * 4
                assert outputs["score"][row, slot].numpy().tolist() == [0] * 4
                assert outputs["mask_position"][row, slot] == -1
                continue
            expected = probabilities[places[row][slot]]
            best = np.argsort(-expected, kind="stable")[:4]
            assert outputs["token"][row, slot].numpy().tolist() == best.tolist()
            np.testing.assert_allclose(outputs["score"][row, slot], expected[best], atol=1e-5)
            assert outputs["mask_position"][row, slot] == places[row][slot]
