"""Scoring with a checkpoint: each token masked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.export.checking.toy import MAX_LENGTH, right_model, tokenizer
from tfmlm.export.checking.scorer import CheckpointScorer


def scorer() -> CheckpointScorer:
    return CheckpointScorer(right_model(), tokenizer(), MAX_LENGTH, max_text_bytes=200)


def test_each_token_from_all_others() -> None:
    text = "the dog [MASK] 北京."
    scored = scorer().score(text)
    encoded = tokenizer()(text, return_tensors="np")
    ids = encoded["input_ids"][0]
    for place, (token, score) in enumerate(zip(scored.token, scored.score, strict=True), start=1):
        assert token == ids[place]
        if token == tokenizer().mask_token_id:
            assert score == 0
            continue
        masked = encoded["input_ids"].copy()
        masked[0, place] = tokenizer().mask_token_id
        inputs = {**encoded, "input_ids": tf.constant(masked)}
        logits = right_model()(inputs).logits[0, place]
        assert score == pytest.approx(float(tf.nn.log_softmax(logits)[token]), rel=1e-5)
    assert scored.token_count == len(scored.token) - 1
    assert scored.pseudo_log_likelihood == pytest.approx(np.sum(scored.score))
    assert scored.pseudo_perplexity == pytest.approx(np.exp(-np.sum(scored.score) / 5))


def test_statuses() -> None:
    statuses = [scorer().score(t).status for t in ("", "[MASK]", "a " * 60, "x" * 201, "a")]
    assert statuses == ["empty", "empty", "truncated", "too_long", "ok"]
    assert scorer().score("").pseudo_perplexity is None
