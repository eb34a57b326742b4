"""The signature `score_text` against the whole Hugging Face model, one masked row at a time."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.export.exported import bert, loaded_bert
from tests.real_data import english_texts, multilingual_texts

LONG = "The river runs through the old town, past the market and the mill. " * 60
TEXTS = [
    "Hello there.",
    "a",
    "Paris is the [MASK] of France.",
    "xylographers' unaffable ☃ 北京 ###",
    *english_texts(6),
    *multilingual_texts(8),
]


def by_hand(text: str) -> tuple[list[int], list[float]]:
    """Ids and log-probabilities from full logits, in float64 after the model."""
    model, tokenizer = bert().model, bert().tokenizer
    encoded = tokenizer(text, truncation=True, max_length=512)["input_ids"]
    scores = []
    for place in range(1, len(encoded) - 1):
        if encoded[place] == tokenizer.mask_token_id:
            scores.append(0.0)
            continue
        row = list(encoded)
        row[place] = tokenizer.mask_token_id
        logits = model(input_ids=tf.constant([row])).logits[0, place].numpy().astype(np.float64)
        top = logits.max()
        scores.append(logits[encoded[place]] - top - np.log(np.exp(logits - top).sum()))
    return encoded[1:-1], scores


def score(texts: list[str | bytes]) -> dict[str, np.ndarray]:
    raw = [t if isinstance(t, bytes) else t.encode() for t in texts]
    return loaded_bert().predict("score_text", {"text": np.array(raw, object)})


def test_scores_are_those_of_the_model_masked_by_hand() -> None:
    outputs = score(TEXTS)
    tokenizer = bert().tokenizer
    for row, text in enumerate(TEXTS):
        ids, scores = by_hand(text)
        count = len(ids)
        assert outputs["token"][row, :count].tolist() == ids
        assert (outputs["token"][row, count:] == -1).all()
        np.testing.assert_allclose(outputs["score"][row, :count], scores, rtol=1e-5, atol=1e-5)
        assert not outputs["score"][row, count:].any()
        strings = [s.decode() for s in outputs["token_str"][row]]
        assert strings == [tokenizer.decode([i]) for i in ids] + [""] * (len(strings) - count)
        np.testing.assert_allclose(
            outputs["pseudo_log_likelihood"][row], np.sum(scores), rtol=1e-5, atol=1e-5
        )
        assert outputs["token_count"][row] == count - ids.count(tokenizer.mask_token_id)
        assert outputs["status"][row] == b"ok"


def test_every_token_is_found_in_the_text() -> None:
    texts = [*TEXTS, "Ünïcode — 漢字 don't [MASK] x\u0301!", ""]
    outputs = score(texts)
    for row, text in enumerate(texts):
        read = bert().tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        pairs = read["offset_mapping"]
        rest = [-1] * (outputs["start"].shape[1] - len(pairs))
        for number, name in enumerate(("start", "end")):
            places = [pair[number] for pair in pairs]
            assert outputs[name][row].tolist() == [*places, *rest]
            in_bytes = [len(text[:place].encode()) for place in places]
            assert outputs[f"{name}_byte"][row].tolist() == [*in_bytes, *rest]


def test_long_texts_are_scored_to_the_length_of_the_model_in_chunks() -> None:
    """The rows of this text do not fit into one run of the encoder."""
    outputs = score([LONG, "Hello there."])
    tokenizer = bert().tokenizer
    ids = tokenizer(LONG, truncation=True, max_length=512)["input_ids"][1:-1]
    assert outputs["status"].tolist() == [b"truncated", b"ok"]
    assert outputs["token"][0].tolist() == ids
    assert outputs["token_count"].tolist() == [510, 3]
    full = tf.constant([[101, *ids, 102]])
    for place in (0, 7, 8, 255, 509):
        row = tf.tensor_scatter_nd_update(full, [[0, place + 1]], [tokenizer.mask_token_id])
        logits = bert().model(input_ids=row).logits[0, place + 1]
        expected = tf.nn.log_softmax(logits)[ids[place]]
        np.testing.assert_allclose(outputs["score"][0, place], expected, rtol=1e-5, atol=1e-5)


def test_statuses_and_texts_without_tokens() -> None:
    outputs = score(["", " ", "[MASK] [MASK]", "x" * 70_000, b"caf\xc3\xa9 \xff", "a\x00b"])
    assert outputs["status"].tolist() == [b"empty", b"empty", b"empty", b"too_long", b"ok", b"ok"]
    assert outputs["token_count"].tolist()[:4] == [0, 0, 0, 0]
    assert outputs["pseudo_log_likelihood"][:4].tolist() == [0, 0, 0, 0]
    assert outputs["token"][2, :2].tolist() == [bert().tokenizer.mask_token_id] * 2


def test_a_text_alone_and_among_others() -> None:
    alone = score(["Hello there."])
    among = score(["x" * 70_000, "Hello there.", LONG, "", "[MASK]"])
    for name, value in alone.items():
        other = among[name][1]
        if value.ndim == 2:
            other = other[: value.shape[1]]
        if value.dtype == np.float32:
            np.testing.assert_allclose(value[0], other, atol=1e-6)
        else:
            assert np.array_equal(value[0], other), name


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_batches_without_anything_to_score(texts: list[str]) -> None:
    outputs = score(texts)
    assert outputs["score"].shape == (len(texts), 0)
    assert outputs["pseudo_log_likelihood"].shape == (len(texts),)
