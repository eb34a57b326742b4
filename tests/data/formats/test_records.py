"""Fields in quotes, and quotes that are none; against Python's csv module."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.data.formats.reader import read, texts_of
from tests.data.formats.test_delimited import written


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("terminator", ["\n", "\r\n", "\r"])
def test_what_the_csv_module_writes_is_read(tmp_path: Path, delimiter, terminator) -> None:
    generator = random.Random(0)
    alphabet = ["a", "word ", '"', ",", ";", "\t", "|", "é", "'", "7"]
    alphabet += ["\n"] if terminator != "\r" else []  # the writer puts no quotes around it there
    rows = [
        [str(number), "t" + "".join(generator.choices(alphabet, k=generator.randint(1, 20)))]
        for number in range(300)
    ]
    content = written([["id", "body"], *rows], delimiter=delimiter, lineterminator=terminator)
    texts = texts_of(tmp_path / "a.csv", content, "body", delimiter=delimiter)
    assert texts == [row[1] for row in rows]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize(
    ("stray", "text"),
    [
        ('"Hello', '"Hello'),
        ('"Hello" he said', '"Hello" he said'),
        ('"', '"'),
        ('5" screen', '5" screen'),
        ('"a', '"a'),
    ],
)
def test_a_lone_quote_swallows_no_row(tmp_path: Path, name, stray, text) -> None:
    delimiter = "," if name == "a.csv" else "\t"
    rows = [["id", "text"], ["1", "before"], ["2", stray], *([str(i), "after"] for i in range(60))]
    content = "".join(delimiter.join(row) + "\n" for row in rows)
    assert texts_of(tmp_path / name, content) == ["before", text, *["after"] * 60]
    alone = f"text\nbefore\n{stray}\nafter it\nand on\n"
    assert texts_of(tmp_path / name, alone) == ["before", text, "after it", "and on"]
    if stray == '"':
        return  # two of them are a quoted field, whatever is between
    two = f"text\n{stray}\nbetween\n{stray}\nafter it\n"
    assert texts_of(tmp_path / name, two) == [text, "between", text, "after it"]


def test_a_quote_that_a_later_one_seems_to_close(tmp_path: Path) -> None:
    content = 'id,text\n1,"Hello\n2,between\n3,bye"\n4,end\n'
    assert texts_of(tmp_path / "a.csv", content) == ['"Hello', "between", 'bye"', "end"]


def test_a_lone_quote_far_from_any_other(tmp_path: Path) -> None:
    rows = "".join(f"{i},row {i}\n" for i in range(70_000))
    texts = texts_of(tmp_path / "a.csv", f'id,text\n0,"open\n{rows}')
    assert len(texts) == 70_001
    assert texts[:2] == ['"open', "row 0"]


def test_fields_over_lines_and_long_ones(tmp_path: Path) -> None:
    long = "word, " * 200_000 + 'with a "quote"\nand a line'
    content = written([["text", "n"], ["first\nsecond, line", "1"], [long, "2"], ["x", "3"]])
    texts, reading = (texts_of(tmp_path / "a.csv", content), read(tmp_path / "a.csv")[1])
    assert texts == ["first\nsecond, line", long, "x"]
    assert "2 quoted fields over several lines" in reading.sentence("a.csv")


def test_backslashes_before_quotes(tmp_path: Path) -> None:
    content = 'id,text\n1,"he said \\"hi\\", then left"\n2,"C:\\path\\"\n3,plain\n'
    assert texts_of(tmp_path / "a.csv", content) == [
        'he said "hi", then left',
        "C:\\path\\",
        "plain",
    ]
