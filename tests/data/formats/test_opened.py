"""Text files: line ends, byte-order marks, compression."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from tests.data.formats.reader import read, texts_of
from tfmlm.errors import UserError

TEXTS = ["erste Zeile", "second\x0bline\u2028of one", "北京 😀"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_line_ends_and_encodings(tmp_path: Path, end, encoding) -> None:
    data = end.join(TEXTS).encode(encoding)
    assert texts_of(tmp_path / "a.txt", data) == TEXTS
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(data))
    assert read(tmp_path / "b.txt.gz")[0] == TEXTS


def test_all_files_of_a_zip_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/one.txt", "one\n")
        archive.writestr("__MACOSX/one.txt", "no\n")
        archive.writestr("two.txt", "two\n")
    assert read(tmp_path / "a.zip")[0] == ["one", "two"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"good\nbad \xff\n", r"not UTF-8 text \(byte 9\)"),
        ("text".encode("utf-16-le"), "binary file"),
        (b"\xff\xfea", "not UTF-16 text"),
        (b"", "is empty"),
        (b" \n\n", None),
    ],
)
def test_what_is_no_text(tmp_path: Path, data, message) -> None:
    if message is None:
        assert texts_of(tmp_path / "a.txt", data) == []
        return
    with pytest.raises(UserError, match=message):
        texts_of(tmp_path / "a.txt", data)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_broken_compression(tmp_path: Path, suffix) -> None:
    with pytest.raises(UserError, match="cannot read|broken zip"):
        texts_of(tmp_path / f"a.txt{suffix}", b"this is no compressed file")
    whole = gzip.compress(b"line\n" * 10_000)
    with pytest.raises(UserError, match="cannot read"):
        texts_of(tmp_path / "b.txt.gz", whole[: len(whole) // 2])
