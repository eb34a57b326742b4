"""Lines of text files: the same as Python's, and none that fills the memory."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import zstandard

from tfmlm.data.corpus import files_corpus
from tfmlm.data.text_lines import LONGEST_TEXT, require_first_record, text_lines
from tfmlm.errors import UserError


def _write(path: Path, data: bytes) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__MACOSX/a.txt", b"no text")
            archive.writestr("b/inner.txt", data)
        return path
    pack = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": zstandard.ZstdCompressor().compress,
        ".txt": bytes,
    }[path.suffix]
    path.write_bytes(pack(data))
    return path


NAMES = ("a.txt", "a.txt.gz", "a.txt.bz2", "a.txt.xz", "a.txt.zst", "a.txt.zip")


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_those_that_python_reads(name: str, tmp_path: Path) -> None:
    generator = random.Random(0)
    pieces = ["a", "ß", "\u2028", "\x85", "\x0b", "\ufeff", "𝄞", "\n", "\r\n", "\r", " ", "\x00"]
    text = "".join(generator.choices(pieces, k=20_000))
    plain = _write(tmp_path / "plain.txt", text.encode())
    with plain.open(encoding="utf-8") as file:
        expected = [line.removesuffix("\n") for line in file]
    assert list(text_lines(_write(tmp_path / name, text.encode()))) == expected


@pytest.mark.parametrize("end", ["", "\n", "\nnext\n"])
@pytest.mark.parametrize("length", [LONGEST_TEXT - 1, LONGEST_TEXT, LONGEST_TEXT + 1])
def test_a_line_at_the_limit(length: int, end: str, tmp_path: Path) -> None:
    text = "ä" * length + end
    lines = list(text_lines(_write(tmp_path / "a.txt", text.encode())))
    assert all(len(line) <= LONGEST_TEXT for line in lines)
    assert "".join(lines) == text.replace("\n", "")
    assert len(lines) == (1 if length <= LONGEST_TEXT else 2) + end.count("next")


def test_a_long_line_is_cut_at_white_space_and_that_is_said(tmp_path, caplog) -> None:
    words = [f"word{number}" for number in range(400_000)]
    path = _write(tmp_path / "a.txt.gz", " ".join(words).encode())
    lines = list(text_lines(path))
    assert len(lines) > 3 and " ".join(lines).split() == words
    assert [len(caplog.messages), "read as several texts" in caplog.text] == [1, True]


READ = """
import resource, sys
from tfmlm.data.corpus import files_corpus
corpus = files_corpus([sys.argv[1]])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(len(text) for batch in corpus.batches() for text in batch)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst", "a.txt.zip"])
def test_a_huge_line_is_read_in_little_memory(name: str, tmp_path: Path) -> None:
    """100 MB in one line; the file has 100 kB."""
    path = _write(tmp_path / name, b"x" * 100_000_000)
    done = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, check=True
    )
    count, kilobytes = map(int, done.stdout.split())
    assert count == 100_000_000
    assert kilobytes < 60_000


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.zst", "a.csv.zip"])
def test_a_compressed_table_that_is_one_huge_line_is_refused(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / name, b'{"text": "' + b"x" * 70_000_000)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", b"x" * 70_000_000)
    with pytest.raises(UserError, match=r"begins with a line of over 67,108,864 bytes"):
        files_corpus([str(path)])


def test_a_huge_value_of_a_json_document_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.json.xz", b'[{"text": "' + b"x" * 140_000_000)
    with pytest.raises(UserError, match="row 1 has over 67,108,864 characters"):
        files_corpus([str(path)]).require_text()


def test_a_broken_archive_is_left_to_its_reader(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(b"no gzip")
    require_first_record(tmp_path / "a.jsonl.gz")
    rows = "\n".join(json.dumps({"text": t}) for t in ("a", "b")).encode()
    require_first_record(_write(tmp_path / "b.jsonl.gz", rows))


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.bz2", "a.txt.xz", "a.txt.zst", "a.txt.zip"])
def test_a_cut_archive_is_one_line(name: str, tmp_path: Path) -> None:
    generator = random.Random(0)
    path = _write(tmp_path / name, generator.randbytes(50_000).hex().encode())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=name) as error:
        list(files_corpus([str(path)]).texts())
    assert "\n" not in str(error.value)
