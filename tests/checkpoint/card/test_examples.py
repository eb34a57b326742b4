"""The card's sentences, and how the model fills them."""

from __future__ import annotations

import pytest

from tests.checkpoint.card.test_model_card import card
from tests.hub.small import make_model
from tfmlm.checkpoint.card.examples import fill, widget_sentences


@pytest.mark.parametrize("code", ["de", "zh", "ar"])
def test_widget_sentences_in_the_models_language(code):
    assert widget_sentences("[MASK]", [code]) != widget_sentences("[MASK]", ["en"])
    assert widget_sentences("[MASK]", ["xx", code]) == widget_sentences("[MASK]", [code])
    assert widget_sentences("[MASK]", ["xx"]) == widget_sentences("[MASK]", ["en"])


def test_examples_are_the_pipelines(tokenizer):
    from transformers import FillMaskPipeline

    model = make_model(compiled=False)
    (filled,) = fill(model, tokenizer, ["the [MASK] sat"], top_k=2)
    expected = FillMaskPipeline(model=model, tokenizer=tokenizer, framework="tf")("the [MASK] sat")
    assert filled.words == tuple((e["token_str"], e["score"]) for e in expected[:2])
    text = card(model=model, tokenizer=tokenizer, mask_token="[MASK]")
    assert "## Examples" in text and "(bert, " in text


def test_a_model_that_cannot_be_run_gives_no_examples(tokenizer):
    assert fill(object(), tokenizer, ["the [MASK]"]) == []
