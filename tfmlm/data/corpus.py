"""Reads texts from files and data sets, in batches, without holding the corpus in memory."""

from __future__ import annotations

import codecs
import glob
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmlm.data.columns import choose_text_column, read_column
from tfmlm.data.formats.delimited import read_delimited
from tfmlm.data.formats.dialect import DelimitedOptions
from tfmlm.data.formats.json_rows import read_json
from tfmlm.data.formats.opened import COMPRESSIONS, encoding_of, format_suffix, not_text
from tfmlm.data.formats.parquet import read_parquet
from tfmlm.data.formats.reading import Reading
from tfmlm.data.text_lines import require_first_record, text_lines
from tfmlm.errors import UserError

READERS = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}
BATCH_TEXTS = 1000
BATCH_CHARACTERS = 4_000_000
HASHED_TEXTS = 100_000

_GLOB_CHARACTERS = "*?["


@dataclass(frozen=True)
class Corpus:
    """Texts that can be read any number of times.

    Attributes:
        name: file names or data set, for messages.
        parts: what is read, in order.
        column: name of the column with the text, or None for the default.
        limit: number of texts to read at most.
        skip: number of texts to leave out at the beginning.
    """

    name: str
    parts: tuple[FilePart | DatasetPart, ...]
    column: str | None = None
    limit: int | None = None
    skip: int = 0

    def batches(self, reading: Reading | None = None) -> Iterator[list[str]]:
        """Yields lists of up to `BATCH_TEXTS` texts; those of white space only are left out.

        Args:
            reading: counts what is read, and notes how.

        Raises:
            UserError: a file cannot be read or parsed, or has no such column.
        """
        reading = Reading() if reading is None else reading
        left, skip = self.limit, self.skip
        for part in self.parts:
            for batch in part.batches(self.column, reading):
                texts = [text for text in batch if text and not text.isspace()]
                if skip:
                    texts, skip = texts[skip:], max(0, skip - len(texts))
                if left is not None:
                    texts = texts[:left]
                    left -= len(texts)
                if texts:
                    reading.texts += len(texts)
                    yield texts
                if left == 0:
                    return

    def texts(self) -> Iterator[str]:
        """Yields the texts one by one."""
        for batch in self.batches():
            yield from batch

    def require_text(self) -> Reading:
        """Reads the first text, so that a wrong column or a broken file shows at once.

        Returns:
            The columns that are read, and how.

        Raises:
            UserError: as `batches`, or there is no text at all.
        """
        reading = Reading()
        for part in self.parts:
            next(iter(part.batches(self.column, reading)), None)
        if next(self.batches(), None) is None:
            raise UserError(f"{self.name} holds no text")
        return reading

    def checksum(self) -> str:
        """Hex digest of everything that determines the texts."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.column, self.limit, self.skip)).encode())
        if self.limit is not None and self.limit <= HASHED_TEXTS and not self.skip:
            # A few texts of what may be a huge corpus: no need to read the rest.
            digest.update("\x00".join(self.texts()).encode("utf-8", "surrogatepass"))
            return digest.hexdigest()
        for part in self.parts:
            digest.update(part.checksum().encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class FilePart:
    """One file on disk."""

    path: Path
    options: DelimitedOptions = DelimitedOptions()

    def batches(self, column: str | None, reading: Reading) -> Iterator[list[str]]:
        texts = self._texts(column, reading)
        while True:
            batch: list[str] = []
            size = 0
            with _errors_as_user_errors(str(self.path)):
                for text in texts:
                    batch.append(text)
                    size += len(text)
                    if len(batch) == BATCH_TEXTS or size > BATCH_CHARACTERS:
                        break
            if not batch:
                return
            yield batch

    def _texts(self, column: str | None, reading: Reading) -> Iterator[str]:
        kind = READERS[format_suffix(self.path)]
        if kind == "text":
            if column not in (None, "text"):
                raise UserError(f"{self.path} has no column {column}: it holds a text a line")
            return text_lines(self.path)
        if kind == "csv":
            return read_delimited(self.path, column, self.options, reading)
        if kind == "json":
            return read_json(self.path, column, reading)
        return read_parquet(self.path, column, reading)

    def checksum(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        digest.update("".join(self.path.suffixes).encode())
        if READERS[format_suffix(self.path)] == "csv":
            digest.update(repr(self.options).encode())
        with self.path.open("rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
        return digest.hexdigest()


@dataclass(frozen=True)
class DatasetPart:
    """A data set of the `datasets` library."""

    dataset: Any
    name: str
    digest: str | None = None

    def batches(self, column: str | None, reading: Reading) -> Iterator[list[str]]:
        yield from _table_batches(self.dataset, column, self.name, reading)

    def checksum(self) -> str:
        return self.digest or str(getattr(self.dataset, "_fingerprint", self.name))


def files_corpus(
    patterns: Sequence[str],
    column: str | None = None,
    limit: int | None = None,
    options: DelimitedOptions | None = None,
) -> Corpus:
    """A corpus of files.

    Args:
        patterns: paths or globs; a glob's files are read in sorted order.
        column: column with the text (csv, json, parquet).
        options: how csv and tsv files are written; found out by default.

    Raises:
        UserError: a file is missing, empty, unreadable, binary or of an unknown format.
    """
    paths = expand_patterns(patterns)
    for path in paths:
        require_text_file(path)
    name = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files ({paths[0].name}, …)"
    parts = tuple(FilePart(path, options or DelimitedOptions()) for path in paths)
    return Corpus(name, parts, column, limit)


def dataset_corpus(
    name: str,
    config_name: str | None,
    split: str,
    column: str | None = None,
    limit: int | None = None,
    streaming: bool = False,
) -> Corpus:
    """A corpus from a data set of the Hub or a local data set folder.

    Raises:
        UserError: no such data set, configuration or split.
    """
    dataset = load_split(name, config_name, split, streaming)
    if dataset is None:
        raise UserError(f"data set {name} has no split {split}")
    return Corpus(f"data set {name} ({split})", (DatasetPart(dataset, name),), column, limit)


def load_split(name: str, config_name: str | None, split: str, streaming: bool = False) -> Any:
    """One split of a data set, or None if the data set has no such split."""
    import datasets

    folder = Path(name)
    try:
        if folder.is_dir() and _is_saved_dataset(folder):
            loaded = datasets.load_from_disk(str(folder))
            if not isinstance(loaded, datasets.DatasetDict):
                return loaded if split == "train" else None
        else:
            loaded = datasets.load_dataset(name, config_name, streaming=streaming)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"cannot load data set {name}: {reason or type(error).__name__} "
            "(check the name, dataset_config_name, and the network)"
        ) from error
    base = split.split("[")[0]
    if base not in loaded:
        return None
    if base == split:
        return loaded[split]
    return datasets.load_dataset(name, config_name, split=split, streaming=streaming)


def iterable_corpus(texts: Iterable[str], name: str = "texts") -> Corpus:
    """A corpus of texts in memory."""
    import datasets

    lines = list(texts)
    digest = hashlib.blake2b("\x00".join(lines).encode(), digest_size=16).hexdigest()
    dataset = datasets.Dataset.from_dict({"text": lines})
    return Corpus(name, (DatasetPart(dataset, name, digest),), "text")


def expand_patterns(patterns: Sequence[str]) -> list[Path]:
    """Paths of the files that paths and globs name, each once, in order.

    Raises:
        UserError: a path does not exist, or a glob matches nothing.
    """
    paths: dict[Path, None] = {}
    for pattern in patterns:
        expanded = os.path.expanduser(pattern)  # noqa: PTH111 (Path would collapse a glob's //)
        path = Path(expanded)
        if path.is_dir():
            raise UserError(
                f"{pattern} is a folder; give a file, or a glob such as {pattern}/*.txt"
            )
        if path.exists():
            paths[path] = None
            continue
        matches = []
        if any(c in pattern for c in _GLOB_CHARACTERS):
            matches = [Path(p) for p in sorted(glob.glob(expanded, recursive=True))]  # noqa: PTH207
            matches = [p for p in matches if p.is_file()]
        if not matches:
            raise UserError(f"no file {pattern}; check the path")
        paths.update(dict.fromkeys(matches))
    return list(paths)


def require_text_file(path: Path) -> None:
    """Raises `UserError` for a file that is empty, unreadable, binary, or of unknown format."""
    suffix = format_suffix(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if size == 0:
        raise UserError(f"{path} is empty; give a file with text")
    if suffix not in READERS:
        known = ", ".join(sorted(READERS))
        raise UserError(
            f"{path}: unknown format {suffix or 'without an extension'}; give one of {known}, "
            f"also compressed ({', '.join(COMPRESSIONS)})"
        )
    compressed = path.suffix.lower() in COMPRESSIONS
    if compressed and READERS[suffix] in ("json", "csv") and suffix != ".json":
        require_first_record(path)
    if READERS[suffix] != "parquet" and not compressed:
        require_text_bytes(head, path, whole=size <= len(head))


def require_text_bytes(head: bytes, path: Path, whole: bool) -> None:
    """Raises `UserError` unless `head`, the beginning of a file, is text."""
    encoding = encoding_of(head)
    if encoding.startswith("utf-8") and b"\x00" in head:
        raise UserError(f"{path} is a binary file, not text")
    try:
        codecs.getincrementaldecoder(encoding)().decode(head, final=whole)
    except UnicodeDecodeError as error:
        raise UserError(not_text(str(path), f"byte {error.start}", encoding)) from None


def _is_saved_dataset(folder: Path) -> bool:
    return (folder / "dataset_dict.json").exists() or (folder / "state.json").exists()


def _table_batches(
    dataset: Any, column: str | None, name: str, reading: Reading
) -> Iterator[list[str]]:
    """Texts of a map-style or iterable data set, by batches of its rows."""
    chosen = None
    tables = dataset.with_format("arrow").iter(batch_size=BATCH_TEXTS)
    row = 1
    while True:
        with _errors_as_user_errors(name):
            table = next(tables, None)
            if table is None:
                return
            if chosen is None:
                chosen = choose_text_column(table.schema, column, name)
                reading.add_column(chosen)
            texts = read_column(table, chosen, reading, row)
            row += len(texts)
        yield texts


class _errors_as_user_errors:  # noqa: N801 (used like a function)
    """Turns a reader's exceptions into one `UserError` with the file's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        # The readers also log what they raise.
        self._logger = logging.getLogger("datasets")
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self._logger.setLevel(self._level)
        if error is None or isinstance(error, UserError) or not isinstance(error, Exception):
            return
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, UnicodeDecodeError):
                raise UserError(not_text(self.name, f"byte {cause.start}")) from error
            cause = cause.__cause__ or cause.__context__
        text = " ".join(str(error.__cause__ or error).split())[:300]
        raise UserError(f"cannot read {self.name}: {text or type(error).__name__}") from error
