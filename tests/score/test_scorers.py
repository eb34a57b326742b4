"""Scores of exports and checkpoints, against transformers' model and tokenizer by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.small_run import paragraphs, roberta, roberta_export
from tfmlm.errors import UserError
from tfmlm.score import corpus_pseudo_perplexity, open_scorer

pytestmark = pytest.mark.usefixtures("one_session_an_export")

TEXTS = ["Return the value of the argument.", "A <mask> file.", *paragraphs(5, start=1000)]


def by_hand(texts: list[str]) -> list[list[float]]:
    from transformers import AutoTokenizer, TFRobertaForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(roberta())
    model = TFRobertaForMaskedLM.from_pretrained(roberta())
    result = []
    for text in texts:
        ids = np.array(tokenizer(text)["input_ids"])
        places = [i for i in range(1, len(ids) - 1) if ids[i] != tokenizer.mask_token_id]
        rows = np.tile(ids, [len(places), 1])
        rows[np.arange(len(places)), places] = tokenizer.mask_token_id
        logits = model(input_ids=tf.constant(rows)).logits.numpy().astype(np.float64)
        chosen = logits[np.arange(len(places)), places]
        logs = chosen - np.log(np.exp(chosen).sum(axis=1, keepdims=True))
        result.append(logs[np.arange(len(places)), ids[places]].tolist())
    return result


@pytest.mark.parametrize("target", [roberta, roberta_export])
def test_scores_figures_and_corpus(target) -> None:
    scored = open_scorer(target()).score(TEXTS)
    expected = by_hand(TEXTS)
    for one, logs, text in zip(scored, expected, TEXTS, strict=True):
        assert (one.text, one.status, one.token_count) == (text, "ok", len(logs))
        found = [s for t, s in zip(one.token_str, one.score, strict=True) if t != "<mask>"]
        np.testing.assert_allclose(found, logs, atol=2e-5, rtol=1e-5)
        assert math.isclose(one.pseudo_log_likelihood, sum(logs), rel_tol=1e-5)
        assert one.pseudo_perplexity is not None
        assert math.isclose(one.pseudo_perplexity, math.exp(-np.mean(logs)), rel_tol=1e-4)
        assert "".join(one.token_str).strip() == text.replace(" <mask>", "<mask>")
    flat = [log for logs in expected for log in logs]
    overall = corpus_pseudo_perplexity(scored)
    assert overall is not None
    assert math.isclose(overall, math.exp(-np.mean(flat)), rel_tol=1e-4)


@pytest.mark.parametrize("target", [roberta, roberta_export])
def test_long_texts_and_many_texts(target) -> None:
    long = "the value of the argument " * 60
    scored = open_scorer(target()).score([long, *["the value"] * 40])
    assert scored[0].status == "truncated"
    assert scored[0].token_count == 126
    assert len(scored) == 41
    assert all(one.score == pytest.approx(scored[1].score, abs=1e-5) for one in scored[1:])


@pytest.mark.parametrize("target", [roberta, roberta_export])
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fine", "<mask>"], "text 2 holds no token to score: '<mask>'"),
        (["x" * 70_000], "the text is over the byte limit"),
    ],
)
def test_texts_that_cannot_be_scored(target, texts: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_scorer(target()).score(texts)


def test_what_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder .*nothing"):
        open_scorer(tmp_path / "nothing")
    with pytest.raises(UserError, match="holds no SavedModel"):
        open_scorer(tmp_path)
    assert corpus_pseudo_perplexity([]) is None
