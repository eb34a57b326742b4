"""The values of a JSON file, one after another."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.formats.reader import texts_of
from tests.data.formats.test_json_rows import ROWS


def test_values_one_after_another_in_a_json_file(tmp_path: Path) -> None:
    for separator in ("\n", "\n\n", " "):
        content = separator.join(json.dumps(row, indent=1) for row in ROWS)
        assert texts_of(tmp_path / "a.json", content) == ["one", "two"]


def test_a_long_list_is_read_piece_by_piece(tmp_path: Path) -> None:
    rows = [{"text": f"{i} " + "x" * (i % 977)} for i in range(6000)]
    assert texts_of(tmp_path / "a.json", json.dumps(rows)) == [row["text"] for row in rows]


def test_numbers_among_texts_are_as_written(tmp_path: Path) -> None:
    rows = ['"words"', "7", "1.50", "true", "null", "1e3", '"end"', "0"]
    content = "\n".join(f'{{"text": {row}}}' for row in rows)
    expected = ["words", "7", "1.50", "true", "1e3", "end", "0"]
    assert texts_of(tmp_path / "a.jsonl", content) == expected
