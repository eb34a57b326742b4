"""The other tokenizer families against transformers' pipeline, on real texts."""

from __future__ import annotations

import functools

import pytest

import tfmlm
from tests.export.exported import assert_items_equal, masked_texts, pipeline
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
    # Targets with the mark of a word start mean the same to both.
    mark = "Ġ" if family is roberta else "▁"
    targets = [f"{mark}the", f"{mark}of", f"{mark}a"]
    for text, items in zip(texts[:60], fill(texts[:60], targets=targets), strict=True):
        assert_items_equal(items, reference(text, targets=targets))


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
