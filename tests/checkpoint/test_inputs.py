"""Only inputs that a model takes are passed to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.checkpoint.test_frame import made
from tests.small_models import small_model
from tests.tokenizer_graph.trained import bert_uncased, roberta
from tfmlm.checkpoint.inputs import takes_token_types
from tfmlm.errors import UserError
from tfmlm.export.encoder.predictor import ModelPredictor, TokenTypes

IDS = tf.constant([[5, 6, 7, 8], [9, 10, 1, 1]])
MASK = tf.constant([[1, 1, 1, 1], [1, 1, 0, 0]])


@pytest.mark.parametrize(
    ("architecture", "taken"),
    [
        ("bert", True),
        ("distilbert", False),
        ("esm", False),
        ("modernbert", False),
        ("mpnet", False),
        ("tapas", False),
        ("deberta", False),  # its table of token types has no row
        ("xlm", True),
    ],
)
def test_token_types_of_berts_tokenizer(architecture: str, taken: bool) -> None:
    model, tokenizer = small_model(architecture), bert_uncased()
    assert "token_type_ids" in tokenizer.model_input_names
    assert takes_token_types(model, tokenizer) == taken
    predictor = ModelPredictor(model, TokenTypes.of(model, tokenizer))
    found = predictor(IDS, MASK, tf.constant([[0, 2], [1, 0]]))
    batch: dict[str, Any] = {"input_ids": IDS, "attention_mask": MASK}
    if taken:
        batch["token_type_ids"] = tf.zeros_like(IDS)
    expected = tf.gather_nd(model(batch).logits, [[0, 2], [1, 0]])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_tokenizer_without_token_types() -> None:
    assert not takes_token_types(small_model("bert"), roberta())


def test_a_type_without_a_row() -> None:
    with pytest.raises(UserError, match=r"gives token type 3, the model has 2 \(type_vocab_size\)"):
        takes_token_types(small_model("bert"), made("BPE", "types"))
    assert takes_token_types(small_model("bert", type_vocab_size=4), made("BPE", "types"))
