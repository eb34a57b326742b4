"""Texts as the tokenizer reads them, and parts of them in their frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.checking.toy import MAX_LENGTH, tokenizer
from tfmlm.export.checking.tokens import TextReader


def test_a_text_in_its_frame() -> None:
    text = "the [MASK] is  [MASK]."
    read = TextReader(tokenizer(), MAX_LENGTH)
    tokens = read(text)
    assert tokens.row["input_ids"] == tokenizer()(text)["input_ids"]
    assert tokens.row["token_type_ids"] == tokenizer()(text)["token_type_ids"]
    assert tokens.own == tokenizer()(text, add_special_tokens=False)["input_ids"]
    assert [text[begin:end] for begin, end in tokens.spans] == ["[MASK]"] * 2
    assert tokens.masks == [1, 3]
    part = tokens.part(1, 2)
    assert tokenizer().convert_ids_to_tokens(part["input_ids"]) == [
        "[CLS]",
        "[MASK]",
        "is",
        "[SEP]",
    ]
    assert part["token_type_ids"] == [0, 0, 0, 1]
    assert read.room == MAX_LENGTH - 2


def test_a_text_without_tokens() -> None:
    tokens = TextReader(tokenizer(), MAX_LENGTH)("  ")
    assert tokens.own == tokens.masks == []
    assert tokens.row["input_ids"] == [2, 3]


@pytest.mark.parametrize("text", ["the [MASK] is", "[MASK][MASK] und", "", "no mask"])
def test_slow_and_fast_read_alike(text: str, tmp_path: Path) -> None:
    from transformers import BertTokenizer, BertTokenizerFast

    tokens = tokenizer().convert_ids_to_tokens(range(len(tokenizer())))
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    slow, fast = (
        TextReader(kind(str(tmp_path / "vocab.txt")), 64)(text)
        for kind in (BertTokenizer, BertTokenizerFast)
    )
    assert slow.row == fast.row
    assert (slow.own, slow.masks, slow.spans) == (fast.own, fast.masks, fast.spans)
