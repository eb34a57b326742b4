"""Files of texts, on this machine or in a bucket: which there are, and their rows part by part."""

from __future__ import annotations

import bz2
import csv
import fnmatch
import gzip
import io
import json
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pyarrow import compute, fs

from tfmlm.errors import RunFailedError, UserError

#: Rows that are filled, written and, after an interruption, found again as one.
PART_ROWS = 4096
FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda file: _zstandard(file),
}
_BLOCK_BYTES = 2**24
_WILD = re.compile(r"[*?\[]")
_TEXT_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_null,
)


class ShardError(RunFailedError):
    """A file cannot be read, or lacks the column; the others can be."""


@dataclass(frozen=True)
class Shard:
    """One input file.

    Attributes:
        filesystem: where it is.
        path: its path there.
        shown: its path or URL for messages.
        name: path of its results below the output folder.
        size: bytes.
    """

    filesystem: fs.FileSystem
    path: str
    shown: str
    name: str
    size: int


@dataclass(frozen=True)
class Part:
    """Some rows of a shard: all of their columns, and their texts as Arrow column or values."""

    table: pa.Table
    texts: Any


@dataclass(frozen=True)
class Contents:
    """What is in a shard.

    Attributes:
        schema: its columns.
        rows: how many rows it has.
        parts: reads them, `PART_ROWS` at a time.
    """

    schema: pa.Schema
    rows: int
    parts: Callable[[], Iterator[Part]]


# ------------------------------------------------------------------------------- finding


def open_filesystem(location: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or URL (`s3://…`, `gs://…`, `file://…`) and the path there.

    Raises:
        UserError: the URL is of no kind that pyarrow knows.
    """
    if "://" not in location:
        return fs.LocalFileSystem(), str(Path(location).expanduser())
    try:
        return fs.FileSystem.from_uri(location)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise UserError(f"cannot open {location}: {_reason(error)}") from None


def find_shards(patterns: list[str]) -> list[Shard]:
    """The files that paths, folders and globs name, each once, in order.

    Raises:
        UserError: one of them names nothing, a file is of no known format, or two files would
            have results of one name.
    """
    shards: dict[str, Shard] = {}
    names: dict[str, str] = {}
    for pattern in patterns:
        for shard in _matches(pattern):
            key = f"{shard.filesystem.type_name}:{shard.path}"
            if key in shards:
                continue
            if shard.name in names:
                raise UserError(
                    f"{names[shard.name]} and {shard.shown} would both be written to {shard.name}; "
                    "give them different --output folders"
                )
            names[shard.name] = shard.shown
            shards[key] = shard
    return list(shards.values())


def _matches(pattern: str) -> list[Shard]:
    url, glob_part = _split(pattern)
    filesystem, base = open_filesystem(url)
    scheme = pattern.split("://")[0] + "://" if "://" in pattern else ""
    try:
        info = filesystem.get_file_info(base)
        if not glob_part and info.type == fs.FileType.File:
            parent = str(PurePosixPath(base).parent)
            return [_shard(filesystem, info, parent, scheme)]
        if info.type != fs.FileType.Directory:
            raise UserError(f"no file {pattern}; check --input")
        accepts = _glob(glob_part or "**")
        infos = filesystem.get_file_info(fs.FileSelector(base, recursive=True))
    except OSError as error:
        raise UserError(f"cannot list {pattern}: {_reason(error)}") from None
    found = []
    for info in sorted(infos, key=lambda info: info.path):
        below = str(PurePosixPath(info.path).relative_to(PurePosixPath(base)))
        known = glob_part or _format(info.path) is not None
        if info.type == fs.FileType.File and known and accepts(below):
            found.append(_shard(filesystem, info, base, scheme))
    if not found:
        raise UserError(f"no file {pattern}; check --input")
    return found


def _split(pattern: str) -> tuple[str, str]:
    """A pattern as the folder before its first wildcard and the rest; no rest: it is no glob."""
    if "://" not in pattern and Path(pattern).expanduser().exists():
        return pattern, ""
    head, _, tail = pattern.rpartition("://") if "://" in pattern else ("", "", pattern)
    pieces = tail.split("/")
    first = next((i for i, piece in enumerate(pieces) if _WILD.search(piece)), None)
    if first is None:
        return pattern, ""
    folder = "/".join(pieces[:first]) or ("/" if tail.startswith("/") else ".")
    return (f"{head}://{folder}" if head else folder), "/".join(pieces[first:])


def _glob(pattern: str) -> Callable[[str], bool]:
    """Whether a path matches; `**` stands for any folders. Names that start with `.` or `_` are
    left out where the pattern does not start so too."""
    pieces = pattern.split("/")

    def match(names: list[str], wanted: list[str]) -> bool:
        if not wanted:
            return not names
        if wanted[0] == "**":
            if wanted == ["**"]:
                return all(not name.startswith((".", "_")) for name in names)
            return match(names, wanted[1:]) or (
                bool(names) and not names[0].startswith((".", "_")) and match(names[1:], wanted)
            )
        if not names or not fnmatch.fnmatchcase(names[0], wanted[0]):
            return False
        hidden = names[0].startswith((".", "_")) and not wanted[0].startswith(names[0][0])
        return not hidden and match(names[1:], wanted[1:])

    return lambda path: match(path.split("/"), pieces)


def _shard(filesystem: fs.FileSystem, info: fs.FileInfo, base: str, scheme: str) -> Shard:
    if _format(info.path) is None:
        raise UserError(
            f"{scheme}{info.path}: unknown format; give one of {', '.join(sorted(FORMATS))}, "
            f"texts also compressed ({', '.join(_DECOMPRESSORS)})"
        )
    below = PurePosixPath(info.path).relative_to(PurePosixPath(base))
    stem = below
    while stem.suffix.lower() in (*FORMATS, *_DECOMPRESSORS):
        stem = stem.with_suffix("")
    return Shard(filesystem, info.path, scheme + info.path, f"{stem}.parquet", int(info.size or 0))


def _format(path: str) -> tuple[str, str] | None:
    """Suffixes of format and compression ("" if there is none) of a file's name."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in _DECOMPRESSORS else ""
    if not suffixes or suffixes[-1] not in FORMATS or (packed and suffixes[-1] == ".parquet"):
        return None
    return suffixes[-1], packed


# ------------------------------------------------------------------------------- reading


def read_shard(shard: Shard, column: str) -> Contents:
    """Looks through a shard: its columns and its number of rows.

    Args:
        shard: the file.
        column: name of the column with the texts, or of a field of a struct (`answer.text`).

    Raises:
        ShardError: the file is damaged.
        MissingColumnError: it has no such column of text.
    """
    suffix, _ = _format(shard.path) or ("", "")
    reader = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}[FORMATS[suffix]]
    try:
        return reader(shard, column)
    except _DAMAGE as error:
        raise ShardError(f"cannot read {shard.shown}: {_reason(error)}") from error


class MissingColumnError(ShardError):
    """A shard has no column of texts of the name."""


_DAMAGE = (pa.ArrowException, OSError, EOFError, lzma.LZMAError, UnicodeError, ValueError)


def _guarded(shard: Shard, parts: Iterator[Part]) -> Iterator[Part]:
    """Parts of a file that may turn out to be damaged on the way."""
    while True:
        try:
            part = next(parts, None)
        except _DAMAGE as error:
            raise ShardError(f"cannot read {shard.shown}: {_reason(error)}") from error
        if part is None:
            return
        yield part


def _parquet(shard: Shard, column: str) -> Contents:
    with shard.filesystem.open_input_file(shard.path) as file:
        found = pyarrow.parquet.ParquetFile(file)
        schema, rows = found.schema_arrow, found.metadata.num_rows
    _require_column(schema, column, shard)

    def tables() -> Iterator[pa.Table]:
        with shard.filesystem.open_input_file(shard.path) as file:
            for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=PART_ROWS):
                yield pa.Table.from_batches([batch], schema)

    return Contents(schema, rows, lambda: _guarded(shard, _parts(tables(), column)))


def _csv(shard: Shard, column: str) -> Contents:
    """Every column as text: a csv file has no types, and guesses change what is kept."""
    with _open(shard) as file:
        head = file.read(2**16).decode("utf-8-sig", "replace")
    header = head.splitlines()[0] if head.strip() else ""
    if not header:
        raise ValueError("it is empty")
    wanted = column.split(".")[0]
    tab = _format(shard.path) == (".tsv", "") or ".tsv" in shard.path
    delimiters = ["\t", ",", ";", "|"] if tab else [",", "\t", ";", "|"]
    names = {d: next(csv.reader([header], delimiter=d)) for d in delimiters}
    delimiter = next(
        (d for d in delimiters if column in names[d] or wanted in names[d]), delimiters[0]
    )
    schema = pa.schema([pa.field(name, pa.string()) for name in names[delimiter]])
    _require_column(schema, column, shard)

    def tables() -> Iterator[pa.Table]:
        with _open(shard) as file:
            reader = pyarrow.csv.open_csv(
                file,
                pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES),
                pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                pyarrow.csv.ConvertOptions(
                    column_types={name: pa.string() for name in schema.names},
                    strings_can_be_null=False,
                ),
            )
            for batch in reader:
                yield pa.Table.from_batches([batch], schema)

    rows = sum(table.num_rows for table in tables())
    return Contents(schema, rows, lambda: _guarded(shard, _parts(tables(), column)))


def _parts(tables: Iterator[pa.Table], column: str) -> Iterator[Part]:
    """Tables of any size as parts of `PART_ROWS` rows and a last smaller one."""
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        while count >= PART_ROWS:
            whole = pa.concat_tables(held)
            yield _part(whole.slice(0, PART_ROWS), column)
            held, count = [whole.slice(PART_ROWS)], count - PART_ROWS
    if count:
        yield _part(pa.concat_tables(held), column)


def _part(table: pa.Table, column: str) -> Part:
    if column in table.column_names:
        return Part(table, table.column(column))
    top, *path = column.split(".")
    return Part(table, compute.struct_field(table.column(top), path))


def _require_column(schema: pa.Schema, column: str, shard: Shard) -> None:
    kind = _type_at(schema, column)
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind is not None and any(check(kind) for check in _TEXT_TYPES):
        return
    what = f"no column {column}" if kind is None else f"no text in the column {column} ({kind})"
    raise MissingColumnError(f"{shard.shown} has {what}; its columns: {', '.join(schema.names)}")


def _type_at(schema: pa.Schema, column: str) -> pa.DataType | None:
    if column in schema.names:
        return schema.field(column).type
    top, *path = column.split(".")
    if top not in schema.names:
        return None
    kind = schema.field(top).type
    for name in path:
        index = kind.get_field_index(name) if pa.types.is_struct(kind) else -1
        if index < 0:
            return None
        kind = kind.field(index).type
    return kind


# ------------------------------------------------------------------------------- JSON lines


def _jsonl(shard: Shard, column: str) -> Contents:
    """Types are those that all rows have in common; what has none is kept as JSON text."""
    types: dict[str, pa.DataType] = {}
    rows = 0
    texts = False
    for chunk in _json_rows(shard):
        rows += len(chunk)
        for name in dict.fromkeys(name for row in chunk for name in row):
            array = _array([row.get(name) for row in chunk], None)
            found = pa.string() if array is None else array.type
            types[name] = found if name not in types else _common(types[name], found)
        texts = texts or any(isinstance(_dig(row, column), str) for row in chunk)
    schema = pa.schema(list(types.items()))
    if not texts and rows:
        _require_column(schema, column, shard)

    def parts() -> Iterator[Part]:
        for chunk in _json_rows(shard):
            arrays = []
            for field in schema:
                values = [row.get(field.name) for row in chunk]
                array = _array(values, field.type)
                arrays.append(
                    _array([_as_json(v) for v in values], pa.string()) if array is None else array
                )
            yield Part(pa.table(arrays, schema=schema), [_dig(row, column) for row in chunk])

    return Contents(schema, rows, lambda: _guarded(shard, parts()))


def _json_rows(shard: Shard) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    with _open(shard) as file:
        for number, line in enumerate(file, start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                raise ValueError(f"line {number} is no JSON ({error})") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object; give JSON lines, an object a line")
            chunk.append(row)
            if len(chunk) == PART_ROWS:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


def _dig(row: dict[str, Any], column: str) -> Any:
    if column in row:
        return row[column]
    value: Any = row
    for name in column.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _array(values: list[Any], kind: pa.DataType | None) -> pa.Array | None:
    """Values as an Arrow array; None where they have no type in common, or not this one."""
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return _array([_without_surrogates(value) for value in values], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
        return None


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other:
        return one
    schemas = [pa.schema([("x", kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _as_json(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value


def _open(shard: Shard) -> Any:
    """The file's bytes, decompressed."""
    _, packed = _format(shard.path) or ("", "")
    file = io.BufferedReader(shard.filesystem.open_input_file(shard.path))
    return _DECOMPRESSORS[packed](file) if packed else file


def _zstandard(file: Any) -> Any:
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    return io.BufferedReader(reader)


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return " ".join(str(error).split())[:200] or type(error).__name__
