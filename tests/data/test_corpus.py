"""Texts from files of every format, and from data sets."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import datasets
import pytest
import zstandard

from tfmlm.data.corpus import dataset_corpus, files_corpus
from tfmlm.errors import UserError

TEXTS = ["first text, with ünïcödé", 'second "quoted", text', "third\ttext"]


def read(*patterns: object, column: str | None = None, limit: int | None = None) -> list[str]:
    return list(files_corpus([str(p) for p in patterns], column, limit).texts())


def test_text_lines_without_blank_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(["", *TEXTS, "   ", ""]), encoding="utf-8")
    assert read(tmp_path / "a.txt") == TEXTS


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\r\n".join(TEXTS).encode())
    assert read(tmp_path / "a.txt") == TEXTS


def test_tables(tmp_path: Path) -> None:
    frame = datasets.Dataset.from_dict({"id": [1, 2, 3], "text": TEXTS, "note": ["x", "y", "z"]})
    frame.to_csv(tmp_path / "a.csv")
    frame.to_json(tmp_path / "a.jsonl")
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(json.dumps(list(frame)), encoding="utf-8")
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.json"):
        assert read(tmp_path / name) == TEXTS, name
        assert read(tmp_path / name, column="note") == ["x", "y", "z"], name


def test_compressed(tmp_path: Path) -> None:
    data = "\n".join(TEXTS).encode()
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(data))
    (tmp_path / "b.txt.bz2").write_bytes(bz2.compress(data))
    (tmp_path / "c.txt.xz").write_bytes(lzma.compress(data))
    for name in ("d.zip", "e.txt.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("inner.txt", data)
    rows = "\n".join(json.dumps({"text": t}) for t in TEXTS).encode()
    (tmp_path / "f.jsonl.gz").write_bytes(gzip.compress(rows))
    for file in sorted(tmp_path.iterdir()):
        assert read(file) == TEXTS, file.name


def test_zstandard(tmp_path: Path) -> None:
    compressed = zstandard.ZstdCompressor().compress("\n".join(TEXTS).encode())
    (tmp_path / "a.txt.zst").write_bytes(compressed)
    assert read(tmp_path / "a.txt.zst") == TEXTS


def test_globs_and_repeated_files_in_order_each_once(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.txt").write_text(f"text {name}\n")
    (tmp_path / "odd[1].txt").write_text("odd\n")
    assert read(tmp_path / "c.txt", tmp_path / "[a-c].txt") == ["text c", "text a", "text b"]
    assert read(tmp_path / "odd[1].txt") == ["odd"]


def test_limit_and_checksum(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    (tmp_path / "b.txt").write_text("\n".join(TEXTS))
    assert read(tmp_path / "a.txt", limit=2) == TEXTS[:2]
    a, b = (files_corpus([str(tmp_path / n)]).checksum() for n in ("a.txt", "b.txt"))
    assert a == b  # by content, not by name
    (tmp_path / "b.txt").write_text("\n".join(TEXTS) + "!")
    assert files_corpus([str(tmp_path / "b.txt")]).checksum() != a


def test_large_binary_tail_is_found_when_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"good line\n" * 10_000 + b"\xff\xfe bad\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read(tmp_path / "a.txt")


def test_data_set_folder_with_splits(tmp_path: Path) -> None:
    parts = {"train": {"text": TEXTS}, "validation": {"text": ["held out"]}}
    saved = datasets.DatasetDict({k: datasets.Dataset.from_dict(v) for k, v in parts.items()})
    saved.save_to_disk(tmp_path / "saved")
    (tmp_path / "raw").mkdir()
    saved["train"].to_json(tmp_path / "raw" / "train.jsonl")
    saved["validation"].to_json(tmp_path / "raw" / "validation.jsonl")
    for folder in ("saved", "raw"):
        name = str(tmp_path / folder)
        assert list(dataset_corpus(name, None, "train").texts()) == TEXTS
        assert list(dataset_corpus(name, None, "validation").texts()) == ["held out"]
        with pytest.raises(UserError, match="has no split test"):
            dataset_corpus(name, None, "test")
