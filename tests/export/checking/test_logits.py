"""The traced model gives the model's own logits, whatever it takes and however it branches."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.export.checking.toy import tokenizer
from tests.small_models import small_model
from tfmlm.export.checking.logits import CheckpointLogits, log_softmax, softmax

PLACES = [(0, 2), (1, 0), (1, 3)]


def rows() -> list[dict[str, list[int]]]:
    ids = [[2, 7, 4, 9, 3], [2, 4, 11, 4, 3]]
    return [{"input_ids": row, "token_type_ids": [0, 0, 0, 0, 1]} for row in ids]


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "funnel", "longformer"])
def test_logits(architecture: str) -> None:
    """DistilBERT takes no token types; the two last branch on tensors."""
    model = small_model(architecture)
    found = CheckpointLogits(model, tokenizer())(rows(), PLACES)
    inputs = {"input_ids": tf.constant([row["input_ids"] for row in rows()])}
    if architecture in ("bert", "funnel", "longformer"):
        types = [row["token_type_ids"] for row in rows()]
        inputs["token_type_ids"] = tf.constant(types)
    expected = tf.gather_nd(model(inputs).logits, PLACES).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_softmax_of_large_logits() -> None:
    logits = np.array([[1000.0, 999.0], [-1000.0, -1000.0]], np.float32)
    expected = [[1 / (1 + np.exp(-1)), 1 / (1 + np.e)], [0.5, 0.5]]
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-12)
    np.testing.assert_allclose(log_softmax(logits), np.log(expected), rtol=1e-12)
