"""The texts of a command line and of a file, where they are, and the list that is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfmlm.cli._texts import JsonList, Texts, read_lines
from tfmlm.errors import UserError


def test_texts_are_those_given_and_then_the_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("\ufeff first \n\n \t\nsecond\u2028one\r\nlast", encoding="utf-8")
    texts = Texts(["given", "too"], str(file))
    expected = ["given", "too", " first ", "second\u2028one", "last"]
    assert (list(texts), list(texts), len(texts)) == (expected, expected, 5)
    assert read_lines(str(file)) == expected[2:]
    lines = [f"line {number} of {file}" for number in (1, 4, 5)]
    assert [texts.place(number) for number in range(1, 6)] == ["text 1", "text 2", *lines]
    assert Texts(["one"], None).place(1) == "the text"


def test_errors_of_a_text_say_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("\n\none\n")
    texts = Texts(["given"], str(file))
    for said, shown in (
        ("text 2 of 2 has no mask", f"line 3 of {file} has no mask"),
        ("text 1 is long", "text 1 is long"),
        ("the text 2 is", "the text 2 is"),
    ):
        assert str(texts.located(UserError(said))) == shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*: No such file"),
        (b" \n\n", "holds no text; give one text a line"),
        (b"good\n" * 5000 + b"b\xff\n", r"not a UTF-8 text file \(line 5001: invalid start byte"),
    ],
)
def test_what_is_no_file_of_texts(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        Texts([], str(tmp_path / "a.txt"))


@pytest.mark.parametrize("items", [[], [1], [{"a": ["ü", {}]}, [], "x\ny"]])
def test_a_list_is_printed_as_json_prints_it(items: list, capsys) -> None:
    with JsonList() as listed:
        assert capsys.readouterr().out == ""
        for item in items:
            listed.add(item)
    assert capsys.readouterr().out == json.dumps(items, indent=2, ensure_ascii=False)
    with JsonList('{\n  "texts": ', "  ") as listed:
        for item in items:
            listed.add(item)
    expected = json.dumps({"texts": items}, indent=2, ensure_ascii=False)
    assert capsys.readouterr().out + "\n}" == expected


def test_a_list_that_fails_has_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError), JsonList():
        raise UserError("so")
    assert capsys.readouterr().out == ""
