"""Files of texts in, files of results out: resumable, and whole or not there at all.

Each input file becomes one parquet file of the same name below the output folder, with all of its
columns and those of the results. Parts of a file that is not finished are kept in `_parts`, so that
a run that was stopped goes on there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from pyarrow import fs

from tfmlm.batch import exports
from tfmlm.batch.runner import BatchFiller
from tfmlm.batch.schema import result_schema
from tfmlm.batch.shards import (
    Contents,
    MissingColumnError,
    Part,
    Shard,
    ShardError,
    find_shards,
    open_filesystem,
    read_shard,
)
from tfmlm.batch.workers import OneProcess, Pending, Processes, Workers, in_their_order
from tfmlm.errors import RunFailedError, UserError
from tfmlm.export.loader import find_version

#: Settings of the results in an output folder. Readers of parquet leave out such names.
SETTINGS = "_tfmlm_batch.json"
PARTS = "_parts"
_FORMAT = 1
#: Key of the metadata of a finished file.
_KEY = b"tfmlm_batch"


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        rows: rows filled by this run.
        seconds: since the first of them was asked for.
        share: of all bytes of input, those done with (by earlier runs too), 0 to 1.
        seconds_left: at the speed so far; None where that is not known yet.
    """

    rows: int
    seconds: float
    share: float
    seconds_left: float | None


@dataclass
class Report:
    """What a run did.

    Attributes:
        written: files of results that this run finished.
        skipped: those that an earlier run had finished.
        failed: messages about inputs that could not be read, by input.
        statuses: rows of all finished files by status.
        rows: how many rows this run filled.
        seconds: the time that took.
    """

    written: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Task:
    """A part of a shard, or (`part` is None) the end of one."""

    shard: Shard
    contents: Contents
    number: int
    part: Part | None


def fill_files(
    export: str | os.PathLike[str],
    inputs: list[str],
    output: str | os.PathLike[str],
    *,
    text_column: str = "text",
    signature: str = "fill_mask",
    top_k: int | None = None,
    targets: list[str] | None = None,
    max_tokens: int | None = None,
    num_workers: int = 1,
    resume: bool = True,
    output_prefix: str = "",
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Fills (or scores) the texts of files.

    Args:
        export: an export folder, or one version of it, also as a URL.
        inputs: paths, folders and globs of parquet, csv, tsv and JSON lines files, also compressed,
            also as URLs of a bucket (`s3://…`, `gs://…`).
        output: a folder or URL for the results.
        text_column: the column with the texts; `a.b` for a field of a struct.
        signature: `fill_mask` or `score_text`.
        top_k: words for each mask.
        targets: score these words alone.
        max_tokens: tokens of a run of the model.
        num_workers: processes, among which the processors are divided.
        resume: go on with what an earlier run left in the output folder; else it must hold none.
        output_prefix: what the names of the results' columns begin with.
        on_progress: told from time to time how far the run is.

    Raises:
        UserError: nothing was done: no such input, column or export, a setting of no use, or
            results of other settings in the output folder.
        RunFailedError: the run could not go on; what is done is kept.
    """
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 1:
        raise UserError(f"num_workers must be an integer of at least 1. Received: {num_workers!r}")
    version = find_version(exports.here(os.fspath(export)))
    shards = find_shards(inputs)
    settings = {"signature": signature, "top_k": top_k, "targets": targets}
    make = (str(version), {**settings, "max_tokens": max_tokens})
    record = {
        "format": _FORMAT,
        "export": _digest(version),
        **settings,
        "text_column": text_column,
        "output_prefix": output_prefix,
    }
    added = result_schema(signature, targets is not None, output_prefix)
    folder = _Output(output, record)

    def run(start: Callable[[Callable[[int], None]], Workers]) -> Report:
        _require_columns(shards, text_column, added)
        with folder.opened(shards, resume):
            job = _Job(folder, shards, text_column, added, on_progress)
            return job.run(start(job.on_rows))

    if num_workers == 1:
        filler = _make_filler(*make)
        return run(lambda on_rows: OneProcess(filler, output_prefix, on_rows))
    with Processes(num_workers, _make_filler, make, output_prefix).running() as workers:
        workers.check()
        return run(workers.telling)


def _make_filler(path: str, settings: dict[str, Any], threads: int | None = None) -> BatchFiller:
    return BatchFiller(path, threads=threads, **settings)


def _digest(version: Path) -> str:
    """Of the graph and the weights of an export: a copy elsewhere has the same."""
    digest = hashlib.blake2b(digest_size=16)
    for path in (version / "saved_model.pb", *sorted((version / "variables").iterdir())):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while chunk := file.read(2**22):
                digest.update(chunk)
    return digest.hexdigest()


def _require_columns(shards: list[Shard], column: str, added: pa.Schema) -> None:
    """Looks at the first file that can be read: a wrong column is found before anything is done."""
    for shard in shards:
        try:
            schema = read_shard(shard, column).schema
        except MissingColumnError as error:
            raise UserError(f"{error} (--text_column)") from None
        except ShardError:
            continue
        _require_new_names(schema, added, shard)
        return


def _require_new_names(schema: pa.Schema, added: pa.Schema, shard: Shard) -> None:
    both = [name for name in added.names if name in schema.names]
    if both:
        raise UserError(
            f"{shard.shown} has columns named as those of the results ({', '.join(both)}); give "
            "--output_prefix, such as mlm_"
        )


class _Job:
    """One run over all shards."""

    def __init__(
        self,
        output: _Output,
        shards: list[Shard],
        column: str,
        added: pa.Schema,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._output = output
        self._shards = shards
        self._column = column
        self._added = added
        self._on_progress = on_progress
        self._report = Report()
        self._start = time.monotonic()
        self._bytes = max(sum(shard.size for shard in shards), 1)
        self._done_bytes = self._first_bytes = 0.0
        self._current: tuple[Shard, int] | None = None
        self._rows_before = 0

    def run(self, workers: Workers) -> Report:
        """Fills what is not filled yet."""
        report = self._report

        def submit(task: _Task) -> Pending | None:
            if task.part is None or self._output.has_part(task.shard, task.number):
                return None
            return workers.submit(task.part.texts)

        self._start = time.monotonic()
        for task, pending in in_their_order(self._tasks(), submit, workers.most):
            self._current = (task.shard, task.contents.rows)
            if task.part is None:
                counts = self._output.finish(task.shard, task.contents, task.number, self._added)
                report.statuses.update(counts)
                report.written.append(task.shard.name)
                self._close(task.shard, workers.rows())
            elif pending is not None:
                results = pending.result()
                table = task.part.table
                for name, values in zip(results.column_names, results.columns, strict=True):
                    table = table.append_column(results.schema.field(name), values)
                self._output.write_part(task.shard, task.number, table)
                report.rows += table.num_rows
            self.on_rows(workers.rows())
        report.seconds = time.monotonic() - self._start
        return report

    def on_rows(self, rows: int) -> None:
        """Says how far the run is."""
        if self._on_progress is None:
            return
        done = self._done_bytes
        if self._current is not None:
            shard, all_rows = self._current
            part = min((rows - self._rows_before) / max(all_rows, 1), 1.0)
            done += shard.size * part
        seconds = time.monotonic() - self._start
        speed = (done - self._first_bytes) / seconds if seconds else 0.0
        left = (self._bytes - done) / speed if rows and speed else None
        self._on_progress(Progress(rows, seconds, min(done / self._bytes, 1.0), left))

    def _close(self, shard: Shard, rows: int) -> None:
        self._done_bytes += shard.size
        self._rows_before, self._current = rows, None

    def _tasks(self) -> Iterator[_Task]:
        for shard in self._shards:
            try:
                counts = self._output.finished(shard)
                if counts is not None:
                    self._report.skipped.append(shard.name)
                    self._report.statuses.update(counts)
                    self._done_bytes += shard.size
                    self._first_bytes += shard.size
                    continue
                contents = read_shard(shard, self._column)
                _require_new_names(contents.schema, self._added, shard)
                number = 0
                for part in contents.parts():
                    yield _Task(shard, contents, number, part)
                    number += 1
                yield _Task(shard, contents, number, None)
            except (ShardError, UserError) as error:
                self._report.failed[shard.shown] = str(error)
                self._done_bytes += shard.size


def _identity(filesystem: fs.FileSystem, path: str) -> tuple[str, str]:
    local = isinstance(filesystem, fs.LocalFileSystem)
    return filesystem.type_name, str(Path(path).resolve()) if local else path


class _Output:
    """The output folder: its settings, finished files, and parts of those that are not."""

    def __init__(self, location: str | os.PathLike[str], record: dict[str, Any]) -> None:
        self._shown = os.fspath(location)
        self._filesystem, self._base = open_filesystem(self._shown)
        self._record = record

    @contextlib.contextmanager
    def opened(self, shards: list[Shard], resume: bool) -> Iterator[None]:
        """Makes the folder, or checks what is in it, and turns errors of writing into one line.

        Raises:
            UserError: it holds results of other settings, or other files, or cannot be written to.
            RunFailedError: it became full, or cannot be written to any more.
        """
        for shard in shards:
            own = _identity(shard.filesystem, shard.path)
            if own == _identity(self._filesystem, self._path(shard.name)):
                raise UserError(f"{shard.shown} would be written over; give another --output")
        try:
            self._check(resume)
        except OSError as error:
            raise UserError(f"cannot write in {self._shown}: {error}") from None
        try:
            with self._lock():
                yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            reason = "no space left" if full else " ".join(str(error).split())[:200]
            raise RunFailedError(
                f"cannot write in {self._shown}: {reason}; what is done is kept: run the same "
                "command again to go on"
            ) from error

    def _check(self, resume: bool) -> None:
        path = self._path(SETTINGS)
        info = self._filesystem.get_file_info(self._base)
        if info.type == fs.FileType.File:
            raise UserError(f"--output {self._shown} is a file; give a folder")
        if self._filesystem.get_file_info(path).type == fs.FileType.NotFound:
            if info.type == fs.FileType.Directory:
                found = self._filesystem.get_file_info(fs.FileSelector(self._base))
                names = [i.base_name for i in found if not i.base_name.startswith((".", "_"))]
                if names:
                    raise UserError(
                        f"--output {self._shown} holds other files ({sorted(names)[0]}); give a "
                        "folder that is empty or not there yet"
                    )
            self._filesystem.create_dir(self._base, recursive=True)
            text = json.dumps(self._record, indent=2, ensure_ascii=False) + "\n"
            self._write(path, lambda stream: stream.write(text.encode()))
            return
        if not resume:
            raise UserError(
                f"--output {self._shown} holds results already; leave out --no_resume to go on "
                "with them, or give another folder"
            )
        try:
            with self._filesystem.open_input_file(path) as file:
                found = json.loads(file.read())
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UserError(f"{self._shown}/{SETTINGS} is broken; give another --output")
        other = [name for name in self._record if found.get(name) != self._record[name]]
        if other:
            differences = ", ".join(
                f"{name} {json.dumps(found.get(name), ensure_ascii=False)}"
                if name not in ("export", "format")
                else {"export": "another export", "format": "another release of tfmlm"}[name]
                for name in other
            )
            raise UserError(
                f"--output {self._shown} holds results of other settings ({differences}); give "
                "another --output, or those settings"
            )

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """On this machine's disks, keeps a second run out of the folder."""
        if not isinstance(self._filesystem, fs.LocalFileSystem):
            yield
            return
        from filelock import FileLock, Timeout

        lock = FileLock(self._path("_lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"another run is writing in {self._shown}; wait for it") from None
        try:
            yield
        finally:
            lock.release()
            Path(self._path("_lock")).unlink(missing_ok=True)

    def finished(self, shard: Shard) -> dict[str, int] | None:
        """Rows by status of a shard's finished file; None if there is none.

        Raises:
            ShardError: the file is of another input, or broken.
        """
        path = self._path(shard.name)
        if self._filesystem.get_file_info(path).type == fs.FileType.NotFound:
            return None
        try:
            with self._filesystem.open_input_file(path) as file:
                metadata = pyarrow.parquet.ParquetFile(file).schema_arrow.metadata or {}
                record = json.loads(metadata[_KEY])
        except (pa.ArrowException, OSError, KeyError, ValueError):
            raise ShardError(
                f"{self._shown}/{shard.name} is no result of tfmlm batch; delete it to fill "
                f"{shard.shown}"
            ) from None
        if record["input_bytes"] != shard.size:
            raise ShardError(
                f"{shard.shown} has changed since {self._shown}/{shard.name} was made "
                f"({record['input_bytes']} bytes, now {shard.size}); delete that to fill it again"
            )
        return record["statuses"]

    def has_part(self, shard: Shard, number: int) -> bool:
        """Whether an earlier run has written a part."""
        path = self._part(shard, number)
        return self._filesystem.get_file_info(path).type == fs.FileType.File

    def write_part(self, shard: Shard, number: int, table: pa.Table) -> None:
        """Keeps a part."""
        self._write(
            self._part(shard, number), lambda stream: pyarrow.parquet.write_table(table, stream)
        )

    def finish(
        self, shard: Shard, contents: Contents, parts: int, added: pa.Schema
    ) -> dict[str, int]:
        """Makes one file of the parts of a shard. Returns its rows by status."""
        status = next(name for name in added.names if name.endswith("status"))
        counts: Counter[str] = Counter()
        paths = [self._part(shard, number) for number in range(parts)]
        for path in paths:
            with self._filesystem.open_input_file(path) as file:
                found = pyarrow.parquet.read_table(file, columns=[status]).column(status)
                counts.update(found.to_pylist())
        statuses = dict(sorted(counts.items()))
        record = {"input_bytes": shard.size, "statuses": statuses, **self._record}
        schema = pa.schema([*contents.schema, *added], contents.schema.metadata)
        metadata = {**(schema.metadata or {}), _KEY: json.dumps(record).encode()}
        schema = schema.with_metadata(metadata)

        def merge(stream: Any) -> None:
            with pyarrow.parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
                for path in paths:
                    with self._filesystem.open_input_file(path) as file:
                        table = pyarrow.parquet.read_table(file)
                        writer.write_table(table.cast(schema))

        target = self._path(shard.name)
        self._filesystem.create_dir(str(PurePosixPath(target).parent), recursive=True)
        self._write(target, merge, beside=self._part(shard, parts) + ".whole")
        self._filesystem.delete_dir(str(PurePosixPath(self._part(shard, 0)).parent))
        with contextlib.suppress(OSError):
            if not self._filesystem.get_file_info(fs.FileSelector(self._path(PARTS))):
                self._filesystem.delete_dir(self._path(PARTS))
        return statuses

    def _path(self, name: str) -> str:
        return str(PurePosixPath(self._base) / name)

    def _part(self, shard: Shard, number: int) -> str:
        folder = f"{shard.name.replace('/', '__')}.{shard.size}"
        return self._path(f"{PARTS}/{folder}/{number:06d}.parquet")

    def _write(self, path: str, write: Callable[[Any], Any], beside: str | None = None) -> None:
        """Writes a file under another name and moves it: it is whole or not there."""
        temporary = f"{beside or path}.tmp"
        folder = str(PurePosixPath(temporary).parent)
        self._filesystem.create_dir(folder, recursive=True)
        try:
            with self._filesystem.open_output_stream(temporary) as stream:
                write(stream)
            self._filesystem.move(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._filesystem.delete_file(temporary)
            raise
