"""Token blocks: the corpus as sequences of equal length, each token in exactly one of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.data.corpus import Corpus
from tfmlm.data.formats.reading import Reading
from tfmlm.data.packing import ID_MASK, Encoder, PackedFrame, packed_frame, plain_backend
from tfmlm.data.rows import RowPacker
from tfmlm.errors import UserError
from tfmlm.files import atomic_folder, cache_folder, read_json
from tfmlm.progress import Bar

FORMAT_VERSION = 3  # part of the checksum: raise it when a corpus would give other blocks

_FILE = "blocks.arrow"
_INFO = "info.json"
_ROWS_PER_CHUNK = 1000


@dataclass(frozen=True)
class Blocks:
    """Packed sequences on disk, memory-mapped.

    Attributes:
        dataset: `datasets.Dataset` with the column `input_ids`: int32 lists, packed
            (`tfmlm.data.packing`), special tokens included, without padding.
        max_length: longest sequence that may occur.
        tokens: tokens of the corpus in all blocks, special tokens not counted.
        checksum: of what determines the blocks.
        file: the Arrow stream on disk that `dataset` maps.
        reading: how many texts of which columns were read, and what was left out.
        packing: the sequences hold several texts each, flagged where they start.
    """

    dataset: Any
    max_length: int
    tokens: int
    checksum: str
    file: Path
    reading: Reading
    packing: bool = False

    def __len__(self) -> int:
        return len(self.dataset)

    def lengths(self) -> np.ndarray:
        """Tokens of each sequence, special tokens included, int32 [sequences]."""
        import pyarrow as pa

        with pa.OSFile(str(self.file)) as file, pa.ipc.open_stream(file) as batches:
            offsets = [batch.column("input_ids").offsets.to_numpy() for batch in batches]
        return np.concatenate([np.diff(part) for part in offsets])

    def token_counts(self, vocab_size: int, rows: np.ndarray | None = None) -> np.ndarray:
        """How often each id occurs, int64 [vocab_size], special tokens of the frame included."""
        import pyarrow as pa

        counts = np.zeros(vocab_size, np.int64)
        wanted = None
        if rows is not None:
            wanted = np.zeros(len(self), bool)
            wanted[rows] = True
        start = 0
        # Read, not mapped: a pass over mapped files would make all of them resident.
        with pa.OSFile(str(self.file)) as file, pa.ipc.open_stream(file) as batches:
            for batch in batches:
                column = batch.column("input_ids")
                if wanted is not None:
                    column = column.filter(pa.array(wanted[start : start + len(column)]))
                start += batch.num_rows
                ids = column.flatten().to_numpy() & ID_MASK
                counts += np.bincount(ids, minlength=vocab_size)[:vocab_size]
        return counts


class BlockBuilder:
    """Cuts a stream of tokens into blocks.

    Args:
        encoder: texts to packed tokens.
        frame: special tokens around each block.
        max_length: length of a block, special tokens included.
        line_by_line: one sequence a text (a text that is too long gives several).
        packing: rows of several such sequences, as many as fit, none of them cut.
    """

    def __init__(
        self,
        encoder: Encoder,
        frame: PackedFrame,
        max_length: int,
        line_by_line: bool,
        packing: bool = False,
    ) -> None:
        self._encoder = encoder
        self._frame = frame
        self._capacity = max_length - len(frame)
        if self._capacity < 1:
            raise UserError(
                f"max_seq_length is {max_length}, which leaves no room beside the "
                f"{len(frame)} special tokens of a block"
            )
        self._line_by_line = line_by_line or packing
        self._rows = RowPacker(max_length, len(frame) + 1) if packing else None
        self._pending: list[np.ndarray] = []
        self._pending_length = 0
        self.tokens = 0

    def add(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yields the blocks, int32 [tokens], that these texts complete."""
        for tokens in self._encoder(texts):
            self.tokens += len(tokens)
            if self._line_by_line:
                for start in range(0, len(tokens), self._capacity):
                    sequence = self._frame.wrap(tokens[start : start + self._capacity])
                    if self._rows is None:
                        yield sequence
                    else:
                        yield from self._rows.add(sequence)
                continue
            self._pending.append(tokens)
            self._pending_length += len(tokens)
            if self._pending_length >= 64 * self._capacity:
                yield from self._full_blocks()
        if not self._line_by_line:
            yield from self._full_blocks()

    def finish(self) -> Iterator[np.ndarray]:
        """Yields the last, shorter blocks if tokens are left."""
        if self._rows is not None:
            yield from self._rows.finish()
        if self._pending_length:
            rest = np.concatenate(self._pending)
            self._pending, self._pending_length = [], 0
            yield self._frame.wrap(rest)

    def _full_blocks(self) -> Iterator[np.ndarray]:
        if self._pending_length < self._capacity:
            return
        tokens = np.concatenate(self._pending)
        end = len(tokens) - len(tokens) % self._capacity
        for start in range(0, end, self._capacity):
            yield self._frame.wrap(tokens[start : start + self._capacity])
        self._pending = [tokens[end:]] if end < len(tokens) else []
        self._pending_length = len(tokens) - end


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """Hex digest of what determines a fast tokenizer's ids."""
    return hashlib.sha256(plain_backend(tokenizer).to_str().encode()).hexdigest()


def cache_root(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Folder of the cached blocks: `cache_dir`, or `tfmlm` in the user's cache folder."""
    if cache_dir is not None:
        return Path(cache_dir).expanduser()
    return cache_folder()


def build_blocks(
    corpus: Corpus,
    tokenizer: Any,
    max_length: int,
    *,
    line_by_line: bool = False,
    words: bool = False,
    packing: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Blocks:
    """Tokenizes a corpus into blocks, or finds them in the cache.

    Args:
        corpus: the texts.
        tokenizer: a fast tokenizer.
        max_length: length of a block, special tokens included.
        line_by_line: one sequence a text, instead of full blocks.
        words: flag the tokens that continue a word (for whole-word and span masking).
        packing: several texts a row, each flagged where it starts (see `RowPacker`).
        cache_dir: folder in which the blocks' folder, named by their checksum, is made.
        overwrite: tokenize again even if the blocks are there.
        progress: show a progress bar on stderr.

    Raises:
        UserError: the corpus cannot be read or holds no token, or the cache cannot be written.
    """
    from filelock import FileLock

    key = {
        "format": FORMAT_VERSION,
        "corpus": corpus.checksum(),
        "tokenizer": tokenizer_fingerprint(tokenizer),
        "max_length": max_length,
        "line_by_line": line_by_line,
        "words": words,
        **({"packing": True} if packing else {}),
    }
    checksum = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    folder = cache_root(cache_dir) / f"blocks-{checksum}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder) + ".lock"):
            if overwrite or not _is_whole(folder):
                with atomic_folder(folder, overwrite=folder.exists()) as temporary:
                    _write_blocks(temporary, corpus, tokenizer, key, progress)
    except OSError as error:
        raise UserError(
            f"cannot write the tokenized corpus in {folder.parent}: {error.strerror or error}; "
            "choose another folder with cache_dir"
        ) from error
    return load_blocks(folder)


def _is_whole(folder: Path) -> bool:
    """Whether a folder holds blocks with a description that can be read."""
    try:
        info = read_json(folder / _INFO)
        return (folder / _FILE).exists() and {"max_length", "tokens"} <= info.keys()
    except (OSError, ValueError, AttributeError):
        return False


def load_blocks(folder: Path) -> Blocks:
    """Opens a folder written by `build_blocks`; the data stay on disk."""
    from datasets import Dataset

    info = read_json(folder / _INFO)
    dataset = Dataset.from_file(str(folder / _FILE))
    checksum = folder.name.removeprefix("blocks-")
    reading, packing = Reading(**info["reading"]), info.get("packing", False)
    size, tokens = info["max_length"], info["tokens"]
    return Blocks(dataset, size, tokens, checksum, folder / _FILE, reading, packing)


def _write_blocks(
    folder: Path, corpus: Corpus, tokenizer: Any, key: dict[str, Any], progress: bool
) -> None:
    import pyarrow as pa

    builder = BlockBuilder(
        Encoder(tokenizer, key["words"]),
        packed_frame(tokenizer),
        key["max_length"],
        key["line_by_line"],
        key.get("packing", False),
    )
    schema = pa.schema([("input_ids", pa.list_(pa.int32()))])
    rows, reading = 0, Reading()
    bar = Bar("Tokenizing", unit="texts", visible=progress)
    with bar, pa.OSFile(str(folder / _FILE), "wb") as file, pa.ipc.new_stream(file, schema) as out:
        for chunk in _chunks(_all_blocks(builder, corpus, reading, bar)):
            rows += len(chunk)
            out.write_batch(pa.record_batch([_list_array(chunk)], schema=schema))
    if not rows:
        raise UserError(f"{corpus.name} holds no token")
    info = {**key, "tokens": builder.tokens, "blocks": rows, "reading": reading.to_dict()}
    (folder / _INFO).write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def _all_blocks(
    builder: BlockBuilder, corpus: Corpus, reading: Reading, bar: Bar
) -> Iterator[np.ndarray]:
    for texts in corpus.batches(reading):
        yield from builder.add(texts)
        bar.add(len(texts), tokens=f"{builder.tokens:,}")
    yield from builder.finish()


def _chunks(blocks: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    chunk: list[np.ndarray] = []
    for block in blocks:
        chunk.append(block)
        if len(chunk) == _ROWS_PER_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _list_array(rows: list[np.ndarray]) -> Any:
    import pyarrow as pa

    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(rows)))


def split_rows(
    count: int, validation_percentage: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parts the rows 0 … count − 1 into training and validation rows, both sorted, int64.

    Every row is in exactly one part; with a percentage over 0 validation gets at least one.

    Raises:
        UserError: there are too few rows for both.
    """
    rows = np.arange(count)
    if validation_percentage <= 0:
        return rows, rows[:0]
    if count < 2:
        raise UserError(
            "the corpus gives a single block, too little to keep some apart for validation: give "
            "more text, a smaller max_seq_length, line_by_line, a validation_file, or "
            "validation_split_percentage 0"
        )
    held = min(count - 1, max(1, round(count * validation_percentage / 100)))
    chosen = np.random.default_rng([seed, 0x5EED]).permutation(count)[:held]
    is_validation = np.zeros(count, bool)
    is_validation[chosen] = True
    return rows[~is_validation], rows[is_validation]
