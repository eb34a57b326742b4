"""Filling with a checkpoint against transformers' own pipeline."""

from __future__ import annotations

import pytest

from tests.export.checking.toy import MAX_LENGTH, right_model, tokenizer
from tests.export.exported import Exported, assert_items_equal, pipeline
from tfmlm.export.checking.filler import CheckpointFiller


@pytest.fixture(scope="module")
def filler() -> CheckpointFiller:
    return CheckpointFiller(right_model(), tokenizer(), MAX_LENGTH, top_k=4, max_text_bytes=200)


def test_one_mask_as_the_pipeline(filler: CheckpointFiller, tmp_path) -> None:
    ask = pipeline(Exported(right_model(), tokenizer(), tmp_path))
    for text in ("the [MASK] of france", "[MASK]", "play[MASK] is 北京.", "the (re[MASK])"):
        answer = filler.fill(text)
        (items,) = answer.items
        assert_items_equal(items, ask(text, top_k=4))
        assert answer.status == "ok"
        word = items[0]["token_str"].removeprefix("##")
        assert answer.filled == text.replace("[MASK]", word)


def test_windows_and_statuses(filler: CheckpointFiller) -> None:
    room = MAX_LENGTH - 2
    words = ["a"] * 60
    words[30] = words[30 + room // 2 - 1] = words[59] = "[MASK]"
    answer = filler.fill(" ".join(words))
    assert (answer.status, answer.mask_count) == ("truncated", 3)
    assert [len(items) for items in answer.items] == [4, 4, 0]
    assert answer.filled.endswith("[MASK]")
    assert filler.fill("no mask").status == "no_mask"
    assert filler.fill("[MASK]" + "x" * 200).status == "too_long"


def test_targets(filler: CheckpointFiller) -> None:
    answer = filler.fill("the [MASK] of", targets=["dog", "dogs", "", "Dog", "cat"])
    assert sorted(item["token_str"] for item in answer.items[0]) == ["cat", "dog"]
    assert answer.target_exact == [True, False, False, True, True]
