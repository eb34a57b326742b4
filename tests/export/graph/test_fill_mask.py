"""The export against transformers' fill-mask pipeline, on real texts."""

from __future__ import annotations

import pytest

from tests.export import exported
from tests.export.exported import (
    assert_items_equal,
    assert_several_masks_equal,
    bert,
    loaded_bert,
    masked_texts,
)

#: Words that one piece of the vocabulary spells, and words that take several.
TARGETS = ["capital", "Paris", "the", "##ing", "embeddings", "Zürich", "[UNK]", "capital"]


@pytest.fixture(scope="module")
def pipeline():
    return exported.pipeline(bert())


def test_1000_texts_with_one_mask(pipeline):
    texts = masked_texts(1000, "[MASK]")
    found = loaded_bert().fill(texts)
    for text, items in zip(texts, found, strict=True):
        assert_items_equal(items, pipeline(text))


def test_several_masks_and_top_k(pipeline):
    texts = masked_texts(150, "[MASK]", masks=3, seed=1)
    for text, masks in zip(texts, loaded_bert().fill(texts, top_k=8), strict=True):
        assert_several_masks_equal(bert().tokenizer, text, masks, pipeline(text, top_k=8))


@pytest.mark.parametrize("targets", [TARGETS, ["dog", "cat"], ["dog"]])
def test_targets(pipeline, targets):
    texts = masked_texts(75, "[MASK]", seed=2)
    for text, items in zip(texts, loaded_bert().fill(texts, targets=targets), strict=True):
        assert_items_equal(items, pipeline(text, targets=targets, top_k=len(targets)))


def test_shapes_of_the_pipeline():
    fill = loaded_bert()
    one = fill("Paris is the [MASK] of France.")
    assert set(one[0]) == {"score", "token", "token_str", "sequence"}
    assert len(fill("Paris is the [MASK] of France.", top_k=3)) == 3
    assert fill(["Paris is the [MASK] of France."]) == [one]
    two = fill("[MASK] is the [MASK] of France.", top_k=2)
    assert [len(mask) for mask in two] == [2, 2]
    assert len(fill("A [MASK].", targets=["dog", "cat"], top_k=1)) == 1
    assert fill([]) == []
