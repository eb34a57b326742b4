"""Token types of a text in its frame, and logits at masks alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import small_model
from tfmlm.checkpoint.frame import Frame
from tfmlm.export.encoder.predictor import ModelPredictor, TokenTypes


@pytest.mark.parametrize("before", [(), (2,), (3, 1)])
@pytest.mark.parametrize("behind", [(), (1,), (4, 5)])
@pytest.mark.parametrize("text", [0, 1])
def test_types_are_the_frames(before: tuple, behind: tuple, text: int) -> None:
    types = TokenTypes(Frame(before_types=before, behind_types=behind, text_type=text))
    around = len(before) + len(behind)
    lengths = [around, around + 1, around + 5]
    mask = np.arange(max(lengths) + 2) < np.array(lengths)[:, np.newaxis]
    found = types(tf.constant(mask, tf.int32)).numpy()
    for row, length in zip(found, lengths, strict=True):
        assert row[:length].tolist() == [*before, *[text] * (length - around), *behind]
    assert types.are_zero == (not any((*before, *behind, text)))


def test_logits_at_masks_are_the_models() -> None:
    model = small_model("bert", num_hidden_layers=1)
    ids = np.array([[5, 6, 4, 8], [9, 4, 1, 1]], np.int32)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.int32)
    indices = np.array([[0, 2], [1, 0], [1, 1]], np.int32)
    for types in (None, TokenTypes(Frame(text_type=1))):
        predictor = ModelPredictor(model, types)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if types is not None:
            inputs["token_type_ids"] = np.ones_like(ids)
        expected = model(inputs).logits.numpy()[indices[:, 0], indices[:, 1]]
        given = [tf.constant(x) for x in (ids, mask, indices)]
        np.testing.assert_allclose(predictor(*given), expected, atol=1e-5)
        hidden = predictor.hidden(*given)
        assert hidden.shape == (3, 32)
        np.testing.assert_allclose(predictor.head(hidden[1:]), expected[1:], atol=1e-5)
        assert {id(v) for v in predictor.variables} == {id(v) for v in model.variables}
