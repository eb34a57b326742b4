"""Which column of a table is the text: named, nested, by default."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from tests.data.test_corpus import read
from tfmlm.errors import UserError


def test_first_column_of_strings_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("year,body,other\n1999,one,two\n")
    assert read(tmp_path / "a.csv") == ["one"]


def test_nested_columns_are_flattened_and_lists_joined(tmp_path: Path) -> None:
    rows = [
        {"title": "t", "answers": {"text": ["an answer", "another"], "score": [1, 2]}},
        {"title": "u", "answers": {"text": ["one"], "score": [3]}},
        {"title": "v", "answers": {"text": [], "score": []}},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert read(tmp_path / name, column="answers.text") == ["an answer another", "one"]
    listed = [{"turns": [{"say": "hello"}, {"say": "goodbye"}]}]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, listed)))
    assert read(tmp_path / "b.jsonl", column="turns.say") == ["hello goodbye"]


def test_column_whose_own_name_has_a_dot(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"a.b": ["x"]}).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", column="a.b") == ["x"]


def test_missing_column_names_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"n": 1, "answers": {"text": ["a"]}}\n')
    with pytest.raises(UserError, match=r"no column body; its columns with text: answers\.text"):
        read(tmp_path / "a.jsonl", column="body")
    with pytest.raises(UserError, match=r"name one with text_column: answers\.text"):
        read(tmp_path / "a.jsonl")
