"""Blocks: every token of the corpus once, each block a well-formed sequence, a cache by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training import small
from tfmlm.data.blocks import build_blocks, split_rows
from tfmlm.data.corpus import files_corpus, iterable_corpus
from tfmlm.data.packing import ID_MASK, STARTS_TEXT
from tfmlm.errors import UserError


def tokens_of(texts, tokenizer) -> list[int]:
    return [i for text in texts for i in tokenizer(text, add_special_tokens=False).input_ids]


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
@pytest.mark.parametrize("words", [False, True])
def test_every_token_once_and_in_order(kind: str, words: bool, tmp_path: Path) -> None:
    tokenizer = small.tokenizer(kind)
    blocks = small.blocks(tmp_path, kind, words=words)
    rows = [np.array(row) & ID_MASK for row in blocks.dataset["input_ids"]]
    assert {len(row) for row in rows[:-1]} == {small.LENGTH}
    assert len(rows[-1]) <= small.LENGTH
    for row in rows:
        assert row[0] == tokenizer.cls_token_id
        assert row[-1] == tokenizer.sep_token_id
    inside = np.concatenate([row[1:-1] for row in rows])
    assert inside.tolist() == tokens_of(small.lines(), tokenizer)
    assert blocks.tokens == len(inside)


def test_line_by_line_splits_long_lines_and_loses_nothing(tmp_path: Path) -> None:
    tokenizer = small.tokenizer()
    blocks = small.blocks(tmp_path, length=16, line_by_line=True)
    rows = iter([np.array(row) for row in blocks.dataset["input_ids"]])
    for line in small.lines():
        expected = tokens_of([line], tokenizer)
        received: list[int] = []
        while len(received) < len(expected):
            row = next(rows)
            assert 3 <= len(row) <= 16
            received += row[1:-1].tolist()
        assert received == expected
    assert next(rows, None) is None


def test_special_tokens_in_the_text_stay_text(tmp_path: Path) -> None:
    tokenizer = small.tokenizer()
    corpus = iterable_corpus(["before <mask> after", "and </s> here"])
    blocks = build_blocks(corpus, tokenizer, 64, cache_dir=tmp_path)
    (row,) = blocks.dataset["input_ids"]
    assert list(row).count(tokenizer.mask_token_id) == 1


def test_cache_is_found_again_and_depends_on_what_determines_the_blocks(tmp_path: Path) -> None:
    file = small.write_corpus(tmp_path / "a.txt")
    cache = tmp_path / "cache"

    def build(length: int = 32, kind: str = "bpe", **options) -> Path:
        corpus = files_corpus([str(file)])
        blocks = build_blocks(corpus, small.tokenizer(kind), length, cache_dir=cache, **options)
        return cache / f"blocks-{blocks.checksum}"

    first = build()
    stamp = (first / "blocks.arrow").stat().st_mtime_ns
    assert build() == first
    assert (first / "blocks.arrow").stat().st_mtime_ns == stamp
    assert build(overwrite=True) == first
    assert (first / "blocks.arrow").stat().st_mtime_ns != stamp
    others = [build(24), build(kind="wordpiece"), build(line_by_line=True), build(words=True)]
    with file.open("a") as out:
        out.write("one more line\n")
    others.append(build())
    assert len({first, *others}) == 6


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]", '{"tokens": 1}', "\x00"])
def test_a_broken_cache_is_made_again(text: str, tmp_path: Path) -> None:
    made = small.blocks(tmp_path)
    info = next(tmp_path.glob("blocks-*/info.json"))
    before = info.read_text()
    info.write_text(text)
    again = small.blocks(tmp_path)
    assert info.read_text() == before
    assert again.checksum == made.checksum and again.tokens == made.tokens


def test_failed_tokenization_leaves_no_cache(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "good"}\n' * 3000 + "{broken\n")
    with pytest.raises(UserError, match="cannot read"):
        build_blocks(files_corpus([str(file)]), small.tokenizer(), 32, cache_dir=tmp_path / "c")
    assert not [p for p in (tmp_path / "c").iterdir() if p.is_dir()]


def test_token_counts(tmp_path: Path) -> None:
    blocks = small.blocks(tmp_path)
    rows = np.array([0, 3, len(blocks) - 1])
    ids = np.concatenate([np.array(blocks.dataset[int(r)]["input_ids"]) for r in rows])
    expected = np.bincount(ids, minlength=400)
    np.testing.assert_array_equal(blocks.token_counts(400, rows), expected)
    assert blocks.token_counts(400).sum() == blocks.tokens + 2 * len(blocks)


@pytest.mark.parametrize("count", [2, 3, 19, 100, 1001])
@pytest.mark.parametrize("percentage", [0.1, 5, 20, 99])
def test_split_loses_nothing(count: int, percentage: float) -> None:
    train, held = split_rows(count, percentage, seed=1)
    assert sorted([*train, *held]) == list(range(count))
    assert len(train) >= 1
    assert len(held) == min(count - 1, max(1, round(count * percentage / 100)))


def test_split_of_nothing_and_of_too_little() -> None:
    train, held = split_rows(5, 0, seed=1)
    assert (len(train), len(held)) == (5, 0)
    with pytest.raises(UserError, match="validation_split_percentage 0"):
        split_rows(1, 5, seed=1)


def test_no_room_beside_special_tokens(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no room"):
        small.blocks(tmp_path, length=2)


def test_packed_rows_hold_the_lines_whole(tmp_path: Path) -> None:
    lines = small.blocks(tmp_path, length=16, line_by_line=True)
    packed = small.blocks(tmp_path, length=16, packing=True)
    assert packed.packing and not lines.packing
    assert packed.checksum != lines.checksum
    assert len(packed) < len(lines)
    found = []
    for row in packed.dataset["input_ids"]:
        row = np.array(row)
        assert len(row) <= 16
        starts = np.flatnonzero(row & STARTS_TEXT)
        assert starts[0] == 0
        found += [text.tolist() for text in np.split(row & ID_MASK, starts[1:])]
    assert sorted(found) == sorted(lines.dataset["input_ids"])
