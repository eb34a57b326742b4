"""csv and tsv as people have them: words, encodings, rows that do not fit."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.data.formats.reader import read, texts_of
from tfmlm.errors import UserError

ODD = ["NA", "null", "None", "nan", "007", "True", "1e5", "N/A", "-", "3.14"]


def written(rows: list[list[str]], **dialect: str) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **dialect).writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_texts_stay_the_words_they_are(tmp_path: Path, name) -> None:
    assert texts_of(tmp_path / name, "text\n" + "\n".join(ODD)) == ODD
    assert texts_of(tmp_path / name, "phrase\n" + "\n".join(ODD), "phrase") == ODD


def test_numbers_first_and_words_ten_megabytes_later(tmp_path: Path) -> None:
    content = "id,text\n" + "1,12345678901234567890\n" * 450_000 + "2,words at last\n"
    texts = texts_of(tmp_path / "a.csv", content)
    assert (len(texts), texts[0], texts[-1]) == (450_001, "12345678901234567890", "words at last")


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


def test_a_header_alone_and_nothing_else(tmp_path: Path) -> None:
    assert texts_of(tmp_path / "a.csv", "id,text\n") == []
    assert texts_of(tmp_path / "b.csv", "\n\n") == []
