"""Texts of a file, for the tests of the formats."""

from __future__ import annotations

from pathlib import Path

from tfmlm.data.corpus import files_corpus
from tfmlm.data.formats.dialect import DelimitedOptions
from tfmlm.data.formats.reading import Reading


def read(path: Path, column: str | None = None, **options: str) -> tuple[list[str], Reading]:
    """The texts of a file, and what is said about them."""
    reading = Reading()
    corpus = files_corpus([str(path)], column, options=DelimitedOptions(**options))
    return [text for batch in corpus.batches(reading) for text in batch], reading


def texts_of(path: Path, content: str | bytes, column: str | None = None, **options: str):
    """Writes a file and reads its texts."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, column, **options)[0]
