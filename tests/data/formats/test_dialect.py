"""How a delimited file is written is found out: delimiter, header, column of text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.formats.reader import read, texts_of
from tests.data.formats.test_delimited import ODD, written
from tfmlm.errors import UserError


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


def test_no_column_of_words_is_asked_for(tmp_path: Path) -> None:
    content = "a,b\n1,True\n2,False\n"
    with pytest.raises(UserError, match="no column of text among a, b; name one with --text_col"):
        texts_of(tmp_path / "a.csv", content)
    assert texts_of(tmp_path / "a.csv", content, "b") == ["True", "False"]


def test_wrong_delimiters(tmp_path: Path) -> None:
    for wrong in ('"', "\n", ""):
        with pytest.raises(UserError, match="delimiter is"):
            texts_of(tmp_path / "a.csv", "a\n", delimiter=wrong)
