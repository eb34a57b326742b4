"""csv and tsv as people have them: quotes, separators, headers; against Python's csv module."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from tests.data.formats.reader import read, texts_of
from tfmlm.errors import UserError

ODD = ["NA", "null", "None", "nan", "007", "True", "1e5", "N/A", "-", "3.14"]


def written(rows: list[list[str]], **dialect: str) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **dialect).writerows(rows)
    return file.getvalue()


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


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter, name) -> None:
    rows = [["id", "text", "note"], *(["1", f"some {ODD[i]} words", "a b"] for i in range(10))]
    content = written(rows, delimiter=delimiter)
    assert texts_of(tmp_path / name, content) == [row[1] for row in rows[1:]]
    _, reading = read(tmp_path / name)
    shown = {"\t": "tab"}.get(delimiter, repr(delimiter))
    assert (f"delimiter {shown}" in reading.sentence("a")) == (delimiter != ",")


def test_commas_of_texts_are_no_delimiter(tmp_path: Path) -> None:
    content = "id;price;text\n1;3,50;Hello, world\n2;4,20;Bye\n3;1,00;one, two, three\n"
    assert texts_of(tmp_path / "a.csv", content) == ["Hello, world", "Bye", "one, two, three"]


def test_two_delimiters_that_fit_are_asked_for(tmp_path: Path) -> None:
    content = "1;3,50;hello\n2;4,20;world\n3;4,30;again\n"
    with pytest.raises(UserError, match="delimiter ',' or ';'; say which with --delimiter"):
        texts_of(tmp_path / "a.csv", content)
    assert texts_of(tmp_path / "a.csv", content, delimiter="semicolon") == [
        "hello",
        "world",
        "again",
    ]
    assert texts_of(tmp_path / "b.csv", "sep=;\n" + content) == ["hello", "world", "again"]


def test_lines_of_prose_are_no_table(tmp_path: Path) -> None:
    content = "Well, hello.\nOne, two, three, four.\nNothing.\nAnd, so, on.\n"
    with pytest.raises(UserError, match=r"line 2 has 4 fields where the first row has 2.*\.txt"):
        texts_of(tmp_path / "a.csv", content)


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


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_texts_stay_the_words_they_are(tmp_path: Path, name) -> None:
    assert texts_of(tmp_path / name, "text\n" + "\n".join(ODD)) == ODD
    assert texts_of(tmp_path / name, "phrase\n" + "\n".join(ODD), "phrase") == ODD


def test_numbers_first_and_words_ten_megabytes_later(tmp_path: Path) -> None:
    content = "id,text\n" + "1,12345678901234567890\n" * 450_000 + "2,words at last\n"
    texts = texts_of(tmp_path / "a.csv", content)
    assert (len(texts), texts[0], texts[-1]) == (450_001, "12345678901234567890", "words at last")


@pytest.mark.parametrize(
    "content",
    [
        "This is the first text.\nAnother text here.\n",
        "0,This is the first text\n1,Another text here\n",
        "first text\nanother text\nthird text\n",
        '"The first, in quotes",pos\n"Another, in quotes",neg\n',
        "pos\tThe film was good\nneg\tIt was bad\n",
        "a1,A sentence that begins.\nb2,Another.\n",
    ],
)
def test_a_file_without_header_keeps_its_first_text(tmp_path: Path, content) -> None:
    texts, reading = (texts_of(tmp_path / "a.csv", content), read(tmp_path / "a.csv")[1])
    assert len(texts) == len(content.splitlines())
    assert "no header" in reading.sentence("a.csv")


@pytest.mark.parametrize(
    "content",
    [
        "text\nfirst\nsecond\n",
        "label,sentence\n0,a b\n1,c d\n",
        ",text\n0,a b\n1,c d\n",
        "Review Text,Stars\nIt was a good film and I liked it,5\nNot for me at all I fear,1\n",
        "tweet_id;created_at;full_text\n1;2020;so it goes\n2;2021;and on\n",
        "année,texte\n1999,un deux\n2000,trois\n",
    ],
)
def test_a_header_is_no_text(tmp_path: Path, content) -> None:
    texts = texts_of(tmp_path / "a.csv", content)
    assert len(texts) == 2
    assert not set(content.splitlines()[0].replace(";", ",").split(",")) & set(texts)


def test_the_header_can_be_said(tmp_path: Path) -> None:
    content = "apple\nbanana\ncherry\n"
    assert texts_of(tmp_path / "a.csv", content, header="no") == ["apple", "banana", "cherry"]
    assert texts_of(tmp_path / "a.csv", "It was.\nb\n", header="yes") == ["b"]
    assert texts_of(tmp_path / "b.csv", "1,a b\n2,c d\n", "2") == ["a b", "c d"]
    with pytest.raises(UserError, match="numbered as it has no header: 2"):
        texts_of(tmp_path / "b.csv", "1,a b\n2,c d\n", "text")


def test_rows_of_too_many_fields_are_named(tmp_path: Path) -> None:
    rows = "".join(f"{i},text {i}\n" for i in range(50))
    texts = texts_of(tmp_path / "a.csv", f"id,text\n{rows}50,one, two\n51,last\n52\n")
    assert texts == [*(f"text {i}" for i in range(50)), "last"]
    sentence = read(tmp_path / "a.csv")[1].sentence("a.csv")
    assert sentence == (
        "51 texts of column text of a.csv; 1 row left out (line 52: 3 fields for 2 columns)"
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_byte_order_marks(tmp_path: Path, encoding) -> None:
    content = "id,text\r\n1,grün\r\n2,北京\r\n"
    data = ("\ufeff" + content if encoding == "utf-16-le" else content).encode(encoding)
    for name in ("a.csv", "a.tsv"):
        assert texts_of(tmp_path / name, data) == ["grün", "北京"]


def test_bytes_that_are_no_text_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not UTF-8 text \(line 20002\)"):
        texts_of(tmp_path / "a.csv", b"text\n" + b"good\n" * 20_000 + b"gr\xfcn\n")


def test_no_column_of_words_is_asked_for(tmp_path: Path) -> None:
    content = "a,b\n1,True\n2,False\n"
    with pytest.raises(UserError, match="no column of text among a, b; name one with --text_col"):
        texts_of(tmp_path / "a.csv", content)
    assert texts_of(tmp_path / "a.csv", content, "b") == ["True", "False"]


def test_a_header_alone_and_nothing_else(tmp_path: Path) -> None:
    assert texts_of(tmp_path / "a.csv", "id,text\n") == []
    assert texts_of(tmp_path / "b.csv", "\n\n") == []


def test_wrong_delimiters(tmp_path: Path) -> None:
    for wrong in ('"', "\n", ""):
        with pytest.raises(UserError, match="delimiter is"):
            texts_of(tmp_path / "a.csv", "a\n", delimiter=wrong)
