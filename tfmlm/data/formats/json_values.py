"""The values of a JSON file one after another, without holding the file in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from tfmlm.data.formats.opened import LONGEST_LINE, decoded, lines, not_text
from tfmlm.errors import UserError

_CHUNK = 1 << 20
_SPACE = " \t\r\n"


class Number(str):
    """A number as it is written in the file."""

    __slots__ = ()


#: Numbers stay as they are written, so that a number among texts is the text it looks like.
_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number)


def json_lines(stream: IO[bytes], name: str) -> Iterator[tuple[str, Any]]:
    """The values of a file of one value a line, each with its place, such as `line 3`.

    Raises:
        UserError: a line is no JSON; the message has its number.
    """
    for number, line in enumerate(lines(stream, name), 1):
        if line.isspace():
            continue
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"cannot read {name}: line {number} is no JSON ({error})") from None
        yield f"line {number}", value


def json_values(stream: IO[bytes], name: str) -> tuple[bool, Iterator[tuple[str, Any]]]:
    """Whether a file is a list, and its items; else the values written one after another.

    Each has its place, such as `row 3`.

    Raises:
        UserError: the file is no JSON.
    """
    pieces = _Pieces(decoded(stream), name)
    in_list = pieces.skip("") == "["
    return in_list, _values(pieces, name, in_list)


def _values(pieces: _Pieces, name: str, in_list: bool) -> Iterator[tuple[str, Any]]:
    if in_list:
        pieces.at += 1
    number = 0
    while (first := pieces.skip("," if in_list and number else "")) not in ("", "]"):
        number += 1
        yield f"row {number}", pieces.value(number)
    if in_list and first != "]":
        raise UserError(f"cannot read {name}: the list of rows has no end (after row {number})")


def _may_go_on(error: ValueError | RecursionError, size: int) -> bool:
    """Whether the buffer's end may be to blame rather than what stands in it."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or size - error.pos < 32


class _Pieces:
    """A buffer over a text stream from which values are taken."""

    def __init__(self, text: Any, name: str) -> None:
        self._text = text
        self._name = name
        self._buffer = ""
        self._size = _CHUNK
        self._ended = False
        self.at = 0

    def skip(self, separators: str) -> str:
        """Moves behind white space and separators; the character there, or "" at the end."""
        passed = _SPACE + separators
        while True:
            while self.at < len(self._buffer) and self._buffer[self.at] in passed:
                self.at += 1
            if self.at < len(self._buffer) or not self._more():
                return self._buffer[self.at : self.at + 1]

    def value(self, number: int) -> Any:
        """Takes one value."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self.at)
            except (ValueError, RecursionError) as error:
                if len(self._buffer) - self.at > LONGEST_LINE:
                    raise UserError(
                        f"{self._name}: row {number} has over {LONGEST_LINE:,} characters; write "
                        "one record a line (JSON Lines)"
                    ) from None
                if _may_go_on(error, len(self._buffer)) and self._more():
                    continue
                raise UserError(
                    f"cannot read {self._name}: row {number} is no JSON ({error})"
                ) from None
            if end == len(self._buffer) and self._more():
                continue  # a number may go on
            self.at = end
            self._size = _CHUNK
            return value

    def _more(self) -> bool:
        """Reads on, twice as much each time for one value; False at the end."""
        if self._ended:
            return False
        try:
            more = self._text.read(self._size)
        except UnicodeDecodeError as error:
            raise UserError(
                not_text(self._name, f"byte {error.start} of a piece", self._text.encoding)
            ) from None
        self._size *= 2
        self._ended = not more
        self._buffer = self._buffer[self.at :] + more
        self.at = 0
        return bool(more)
