"""json and jsonl in the shapes that people have."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

from tests.data.formats.reader import read, texts_of
from tfmlm.errors import UserError

SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "Normans",
            "paragraphs": [
                {"context": "The Normans were.", "qas": [{"question": "Who?", "id": "1"}]},
                {"context": "They came.", "qas": [{"question": "When?", "id": "2"}]},
            ],
        },
        {"title": "Steam", "paragraphs": [{"context": "It boils.", "qas": []}]},
    ],
}


def test_squad_asks_for_the_place_of_its_texts(tmp_path: Path) -> None:
    file = tmp_path / "squad.json"
    for indent in (None, 2):
        content = json.dumps(SQUAD, indent=indent)
        with pytest.raises(UserError, match=r"data\.title, data\.paragraphs\.context, .*question"):
            texts_of(file, content)
        for column in ("data.paragraphs.context", "paragraphs.context"):
            expected = ["The Normans were. They came.", "It boils."]
            assert texts_of(file, content, column) == expected
        assert texts_of(file, content, "data.title") == ["Normans", "Steam"]
        with pytest.raises(UserError, match="no column data.body; its columns with text: data.ti"):
            texts_of(file, content, "data.body")


ROWS = [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}]


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        {"version": "1.1", "data": ROWS},
        {"meta": {"licence": "CC0"}, "rows": ROWS, "count": 2},
        {"result": {"items": ROWS}},
        {"data": ["one", "two"], "name": "pairs"},
        ["one", "two"],
        {"text": ["one", "two"], "id": [1, 2]},
        {"columns": ["id", "text"], "index": [0, 1], "data": [[1, "one"], [2, "two"]]},
        {"id": {"0": 1, "1": 2}, "text": {"0": "one", "1": "two"}},
        {"a": {"text": "one"}, "b": {"text": "two"}},
        [[1, "one"], [2, "two"]],
        [{"text": ["one"]}, {"text": ["two"]}],
    ],
    ids=lambda document: json.dumps(document)[:40],
)
def test_rows_are_found(tmp_path: Path, document) -> None:
    for indent in (None, 1):
        content = json.dumps(document, indent=indent)
        assert texts_of(tmp_path / "a.json", content) == ["one", "two"]
        assert texts_of(tmp_path / "b.json", b"\xef\xbb\xbf" + content.encode()) == ["one", "two"]


@pytest.mark.parametrize("orient", ["records", "split", "columns", "table"])
def test_what_pandas_writes(tmp_path: Path, orient) -> None:
    frame = pandas.DataFrame({"id": [1, 2], "body": ["one", "two"]})
    frame.to_json(tmp_path / "a.json", orient=orient)
    column = {"table": "data.body"}.get(orient)
    assert read(tmp_path / "a.json", column)[0] == ["one", "two"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_lone_surrogate_is_left_out_and_named(tmp_path: Path, name) -> None:
    texts = ['"before"', '"bad \\ud800 half"', '"pair \\ud83d\\ude00"', '"after"']
    rows = [f'{{"text": {text}}}' for text in texts]
    content = "\n".join(rows) if name == "a.jsonl" else "[" + ",".join(rows) + "]"
    assert texts_of(tmp_path / name, content) == ["before", "pair 😀", "after"]
    where = "line 2" if name == "a.jsonl" else "row 2"
    sentence = read(tmp_path / name)[1].sentence(name)
    assert sentence == (
        f"3 texts of column text of {name}; 1 row left out ({where}: a lone surrogate)"
    )


def test_texts_that_come_late_or_are_missing(tmp_path: Path) -> None:
    rows = [{"text": None}] * 1200 + [{}, {"text": "late"}, {"text": ["a", None, "b"]}]
    content = "\n".join(map(json.dumps, rows))
    assert texts_of(tmp_path / "a.jsonl", content) == ["late", "a b"]


def test_keys_with_dots(tmp_path: Path) -> None:
    content = '{"a.b": "x", "c": {"d.e": "y"}}\n'
    assert texts_of(tmp_path / "a.jsonl", content, "a.b") == ["x"]
    assert texts_of(tmp_path / "a.jsonl", content, "c.d.e") == ["y"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2 is no JSON"),
        ("a.json", '[{"text": "a"}, {"text": }]', "row 2 is no JSON"),
        ("a.json", '[{"text": "a"}', "the list of rows has no end"),
        ("a.json", "hello", "row 1 is no JSON"),
        ("a.jsonl", '{"n": 1}\n', "no column of text; it has n"),
        ("a.json", '{"a": [{"b": "x"}], "c": [{"d": "y"}]}', "several places.*: a.b, c.d"),
        ("a.jsonl", '{"a": {"b": "x"}}\n', "only in nested columns; name one with .*: a.b"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, name, content, message) -> None:
    with pytest.raises(UserError, match=message):
        texts_of(tmp_path / name, content)
