"""Lines of delimited text to records of fields, as RFC 4180 has it, and as files really are.

A field in quotes may hold delimiters, line ends and doubled quotes. A quote that begins a field
and is never closed properly is an ordinary character: it does not swallow the rows behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

#: A quoted field that has not ended after so many characters or lines did not begin as one.
MOST_CHARACTERS = 1 << 24
MOST_LINES = 50_000


@dataclass(frozen=True)
class Shape:
    """What the records of a file have in common.

    Attributes:
        delimiter: what stands between two fields; None: a record is one field.
        width: fields of a record, if known.
        numbers: places of the columns whose values are numbers.
    """

    delimiter: str | None
    width: int | None = None
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Record:
    """One row: the number of its first line (from 1), its fields, and its lines."""

    line: int
    fields: list[str]
    lines: int = 1


def records(lines: Iterator[str], shape: Shape) -> Iterator[Record]:
    """Yields the records of lines that still have their ends; blank lines are left out."""
    source = _Lines(lines)
    while (line := source.next()) is not None:
        first = source.number
        if '"' in line:
            fields = _Quoted(line, source, shape).fields()
        else:
            fields = _split(line.rstrip("\r\n"), shape.delimiter)
        if len(fields) > 1 or fields[0].strip() or '"' in line:
            yield Record(first, fields, source.number - first + 1)


def _split(line: str, delimiter: str | None) -> list[str]:
    return line.split(delimiter) if delimiter else [line]


class _Lines:
    """Lines that can be put back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._back: deque[str] = deque()
        self.number = 0

    def next(self) -> str | None:
        line = self._back.popleft() if self._back else next(self._lines, None)
        self.number += line is not None
        return line

    def put_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


class _Quoted:
    """Parses one record that has a quote in its first line."""

    def __init__(self, line: str, source: _Lines, shape: Shape) -> None:
        self._text = line
        self._source = source
        self._shape = shape

    def fields(self) -> list[str]:
        found: list[str] = []
        delimiter = self._shape.delimiter
        at = 0
        while True:
            closed = self._closed(at) if self._text.startswith('"', at) else None
            if closed is not None:
                field, at = closed
            else:
                field, at = self._plain(at)
            found.append(field)
            if delimiter and self._text.startswith(delimiter, at):
                at += len(delimiter)
                continue
            return found

    def _plain(self, at: int) -> tuple[str, int]:
        line_end = len(self._text.rstrip("\r\n"))
        end = self._text.find(self._shape.delimiter, at) if self._shape.delimiter else -1
        end = line_end if end < 0 else end
        return self._text[at:end], end

    def _closed(self, at: int) -> tuple[str, int] | None:
        """The value of the quoted field that begins at `at` and where it ends, or None if it is
        no quoted field."""
        first_end = len(self._text)
        taken: list[str] = []
        backslashes = False
        place = at + 1
        while True:
            quote = self._text.find('"', place)
            if quote < 0:
                line = self._source.next()
                if line is None:
                    break
                taken.append(line)
                place = len(self._text)
                self._text += line
                if len(taken) > MOST_LINES or len(self._text) - at > MOST_CHARACTERS:
                    break
                continue
            if self._text.startswith('"', quote + 1):
                place = quote + 2
                continue
            if self._text[quote - 1] == "\\" and (backslashes or not self._ends(quote + 1)):
                backslashes = True
                place = quote + 1
                continue
            if not self._ends(quote + 1) or self._swallows(taken):
                break
            value = self._text[at + 1 : quote].replace('""', '"')
            return (value.replace('\\"', '"') if backslashes else value), quote + 1
        self._source.put_back(taken)
        self._text = self._text[:first_end]
        return None

    def _ends(self, at: int) -> bool:
        delimiter = self._shape.delimiter
        if delimiter and self._text.startswith(delimiter, at):
            return True
        return self._text[at : at + 1] in ("", "\r", "\n")

    def _swallows(self, taken: list[str]) -> bool:
        """Whether each of three or more lines that the field takes up is a record by itself."""
        shape = self._shape
        if len(taken) < 2 or not shape.numbers or (shape.width or 0) < 2:
            return False
        for line in (self._text[: self._text.find("\n") + 1] or self._text, *taken):
            fields = _split(line.rstrip("\r\n"), shape.delimiter)
            if len(fields) != shape.width:
                return False
            if not all(is_number(fields[place]) for place in shape.numbers):
                return False
        return True


def is_number(text: str) -> bool:
    """Whether a field holds a number and nothing else."""
    try:
        float(text)
    except ValueError:
        return False
    return True
