"""csv and tsv: every field is text as it stands there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from tfmlm.data.formats.dialect import SAMPLE, DelimitedOptions, choose_column, find_dialect, shown
from tfmlm.data.formats.opened import format_suffix, lines, streams
from tfmlm.data.formats.reading import Reading
from tfmlm.data.formats.records import records
from tfmlm.errors import UserError

#: Characters of the lines from which the dialect is told.
_HEAD_CHARACTERS = 1 << 22


def read_delimited(
    path: Path, column: str | None, options: DelimitedOptions, reading: Reading
) -> Iterator[str]:
    """The texts of a column, `NA`, `null`, `007` and `True` as the words they are.

    A row of more fields than the first is left out, and `reading` says so.

    Raises:
        UserError: bytes that are no text, no such column, or a dialect that cannot be told.
    """
    name, suffix = str(path), format_suffix(path)
    for stream in streams(path):
        source = lines(stream, name, newline="")
        head = _head(source)
        if not any(line.strip() for line in head):
            continue
        dialect = find_dialect(head, suffix, options, column, name)
        sample = list(records(iter(head[dialect.first_line :]), dialect.shape))
        place = choose_column(dialect, sample[dialect.header :], column, name)
        reading.add_column(dialect.columns[place])
        if detail := dialect.detail():
            reading.add_detail(detail)
        rows = records(chain(head[dialect.first_line :], source), dialect.shape)
        if dialect.header:
            next(rows)
        width = dialect.shape.width or 1
        bad = 0
        for number, row in enumerate(rows, 1):
            if len(row.fields) > width:
                bad += 1
                delimiter = shown(dialect.shape.delimiter or "")
                where = f"line {row.line + dialect.first_line}"
                if bad > 20 and bad > number / 2:
                    raise UserError(
                        f"{name}: {bad:,} of {number:,} rows have more fields than the first "
                        f"({where}: {len(row.fields)} for {width}); put texts that hold "
                        f"{delimiter} in quotes, or say --delimiter"
                    )
                reading.leave_out(where, f"{len(row.fields)} fields for {width} columns")
                continue
            reading.spanning += row.lines > 1
            if place < len(row.fields):
                yield row.fields[place]


def _head(source: Iterator[str]) -> list[str]:
    """The first lines: a sample, but not more than a few megabytes."""
    head: list[str] = []
    size = 0
    for line in islice(source, SAMPLE):
        head.append(line)
        size += len(line)
        if size > _HEAD_CHARACTERS:
            break
    return head
