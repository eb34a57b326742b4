"""The other tokenizer families against transformers' pipeline, on real texts."""

from __future__ import annotations

import functools

import pytest

import tfmlm
from tests.export.exported import (
    assert_items_equal,
    assert_several_masks_equal,
    masked_texts,
    pipeline,
)
from tests.export.families import roberta, unigram


@functools.cache
def loaded(family):
    return tfmlm.load(family().path)


@pytest.mark.parametrize("family", [roberta, unigram])
def test_1000_texts(family):
    exported = family()
    length = exported.tokenizer.model_max_length
    reference = pipeline(exported)
    texts = masked_texts(1060, "<mask>", seed=7)
    texts = [t for t in texts if len(exported.tokenizer(t)["input_ids"]) <= length][:1000]
    assert len(texts) == 1000
    fill = loaded(family)
    for text, items in zip(texts, fill(texts), strict=True):
        assert_items_equal(items, reference(text))
    texts = masked_texts(120, "<mask>", masks=3, seed=9)
    texts = [t for t in texts if len(exported.tokenizer(t)["input_ids"]) <= length]
    assert len(texts) > 60
    for text, masks in zip(texts, fill(texts, top_k=7), strict=True):
        assert_several_masks_equal(exported.tokenizer, text, masks, reference(text, top_k=7))


#: Targets that mean the same to the pipeline: with the mark of a word start, or words (for RoBERTa
#: with their space) that are several pieces and stand for the first; one twice, and a special one.
TARGETS = {
    roberta: ["Ġthe", "Ġof", "Ġa", " embeddings", " Zürich", "Ġthe", "</s>"],
    unigram: ["▁the", "▁of", "▁a", "embeddingses", "Zürichzürich", "▁the", "</s>"],
}


@pytest.mark.parametrize("family", [roberta, unigram])
def test_targets_as_in_the_pipeline(family):
    exported = family()
    length = exported.tokenizer.model_max_length
    reference = pipeline(exported)
    texts = masked_texts(100, "<mask>", seed=10)
    texts = [t for t in texts if len(exported.tokenizer(t)["input_ids"]) <= length]
    targets = TARGETS[family]
    found = loaded(family)(texts, targets=targets)
    for text, items in zip(texts, found, strict=True):
        assert_items_equal(items, reference(text, targets=targets, top_k=len(targets)))


@pytest.mark.parametrize(
    ("family", "text", "target", "token", "whole"),
    [
        (roberta, "the <mask> is", "past", "Ġpast", True),
        (roberta, "the<mask> is", "past", "past", True),
        (roberta, "<mask> is", "past", "Ġpast", True),
        (roberta, "the <mask> is", " past", "Ġpast", True),
        (roberta, "the<mask> is", "Ġpast", "Ġpast", True),
        (roberta, "the <mask> is", "embeddings", "Ġembed", False),
        (roberta, "the <mask> is", "</s>", "</s>", True),
        (unigram, "the <mask> is", "the", "▁the", True),
        (unigram, "the <mask> is", "▁the", "▁the", True),
        (unigram, "un<mask> is", "ing", "ing", True),
        (unigram, "the <mask> is", "</s>", "</s>", True),
    ],
)
def test_targets_are_words_at_a_word_start_unless_glued(family, text, target, token, whole):
    outputs = loaded(family).fill_arrays([text], targets=[target])
    ids = [t for t in outputs["token"][0, 0] if t >= 0]
    assert family().tokenizer.convert_ids_to_tokens(ids) == [token]
    assert outputs["target_exact"][0].tolist() == [whole]


def test_filled_keeps_the_caller_s_spaces():
    outputs = loaded(roberta).fill_arrays(["A  <mask> B", "A<mask>B"], targets=[" past"])
    assert outputs["filled"].tolist() == [b"A  past B", b"ApastB"]
