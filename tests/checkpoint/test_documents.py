"""Texts in one row give the loss and gradients of the texts alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import ARCHITECTURES, small_config, small_model
from tfmlm.checkpoint.documents import require_documents
from tfmlm.checkpoint.masked_positions import masked_logits
from tfmlm.errors import UserError

TAKEN = (
    "bert",
    "camembert",
    "distilbert",
    "electra",
    "eurobert",
    "modernbert",
    "roberta",
    "xlm-roberta",
)
#: By row, how long its texts are.
ROWS = [[7, 4, 9], [1, 15]]
LONG = [[90, 100, 8], [160, 31]]


def _texts(rows: list[list[int]]) -> list[list[np.ndarray]]:
    """Ids; those of a text may be padding's (1), which RoBERTa numbers apart."""
    generator = np.random.default_rng(0)
    texts = [[generator.integers(5, 99, size) for size in sizes] for sizes in rows]
    texts[1][1][5] = 1
    return texts


def _rows(texts: list[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.ones((len(texts), length), np.int32)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text
    mask = np.arange(length) < np.array([len(text) for text in texts])[:, np.newaxis]
    return ids, mask.astype(np.int32)


def _loss(model: Any, inputs: dict[str, Any], indices: list[list[int]]) -> tuple[Any, list[Any]]:
    """Logits at some positions, and the gradient of a loss of them."""

    @tf.function
    def run() -> Any:
        with tf.GradientTape() as tape:
            logits = masked_logits(model, inputs, tf.constant(indices))
            loss = tf.reduce_mean(tf.nn.log_softmax(logits)[:, 7])
        return logits, tape.gradient(loss, model.trainable_variables)

    return run()


@pytest.mark.parametrize(
    ("architecture", "sizes"),
    [*((a, ROWS) for a in TAKEN), ("modernbert", LONG), ("bert", LONG)],
)
def test_loss_and_gradients_are_those_of_the_texts_alone(
    architecture: str, sizes: list[list[int]]
) -> None:
    model = small_model(architecture, max_position_embeddings=256)
    texts = _texts(sizes)
    longest = max(sum(row) for row in sizes) + 3
    ids, mask = _rows([np.concatenate(row) for row in texts], longest)
    documents = np.zeros_like(ids)
    together, alone = [], []
    for number, row in enumerate(sizes):
        start = 0
        for document, size in enumerate(row):
            documents[number, start:] = document
            places = {0, size // 2, size - 1}
            together += [[number, start + place] for place in sorted(places)]
            text = sum(len(r) for r in sizes[:number]) + document
            alone += [[text, place] for place in sorted(places)]
            start += size
    packed = {"input_ids": ids, "attention_mask": mask, "document_ids": documents}
    single = dict(
        zip(
            ("input_ids", "attention_mask"),
            _rows([text for row in texts for text in row], max(map(max, sizes))),
            strict=True,
        )
    )
    tensors = [{k: tf.constant(v) for k, v in inputs.items()} for inputs in (packed, single)]
    received, gradients = _loss(model, tensors[0], together)
    expected, expected_gradients = _loss(model, tensors[1], alone)
    np.testing.assert_allclose(received, expected, atol=2e-6 * np.abs(expected).max())
    for got, want in zip(gradients, expected_gradients, strict=True):
        if want is None:
            assert got is None
            continue
        got, want = (tf.convert_to_tensor(x).numpy() for x in (got, want))
        np.testing.assert_allclose(got, want, atol=1e-6 * max(1.0, np.linalg.norm(want)))
    # Without the texts' numbers they touch each other, and the model is as it was.
    del tensors[0]["document_ids"]
    touched, _ = _loss(model, tensors[0], together)
    assert np.abs(touched - expected).max() > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_others_are_refused_by_name(architecture: str) -> None:
    config = small_config(architecture)
    if architecture in TAKEN:
        require_documents(config)
    else:
        with pytest.raises(UserError, match=f"packing does not work with {architecture}:"):
            require_documents(config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position_embedding_type": "relative_key"}, "absolute positions only"),
        ({"is_decoder": True}, "decoder"),
    ],
)
def test_options_that_packing_cannot_keep(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        require_documents(small_config("bert", **options))
