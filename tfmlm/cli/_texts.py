"""Text files with one text a line, and what is shown and printed while they are worked through."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tfmlm.errors import UserError
from tfmlm.progress import Bar

#: From so many texts on there is a progress bar.
_MANY = 100


class Texts:
    """The texts of a command line: those given, then the lines of a file, read as they are needed.

    The number of texts is counted first, which finds what is no text before a model is loaded.
    """

    def __init__(self, given: Sequence[str], path: str | None) -> None:
        """Looks through the file.

        Raises:
            UserError: there is no such file, it is not UTF-8 text, or it is empty.
        """
        self._given = list(given)
        self._path = path
        lines = 0
        if path is not None:
            lines = sum(1 for _ in _numbered_lines(path))
            if not lines:
                raise UserError(f"{path} holds no text; give one text a line")
        self._count = len(self._given) + lines

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        lines = () if self._path is None else _numbered_lines(self._path)
        return itertools.chain(self._given, (text for _, text in lines))

    def place(self, number: int) -> str:
        """What a message calls the text of this number (from 1): that of a file by its line."""
        left = number - len(self._given)
        if self._path is None or left < 1:
            return "the text" if self._count == 1 else f"text {number}"
        line = next(itertools.islice(_numbered_lines(self._path), left - 1, None))[0]
        return f"line {line} of {self._path}"

    def located(self, error: UserError) -> UserError:
        """An error of a text with its place instead of its number."""
        found = re.match(r"text (\d+)(?: of \d+)? ", str(error))
        if found is None:
            return error
        return type(error)(f"{self.place(int(found[1]))} {str(error)[found.end() :]}")


def read_lines(path: str) -> list[str]:
    """Lines of a UTF-8 file that are not blank.

    Raises:
        UserError: there is no such file, it is not UTF-8 text, or it is empty.
    """
    return list(Texts((), path))


def _numbered_lines(path: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    number = 0
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for line in file:
                number += 1
                text = line.rstrip("\n")
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        bad = number + 1 + error.object[: error.start].count(b"\n")
        raise UserError(f"{path} is not a UTF-8 text file (line {bad}: {error.reason})") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None


def add_errors_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds `--errors`."""
    parser.add_argument(
        "--errors",
        choices=("raise", "ignore"),
        default="raise",
        help=f"what to do with {what}: stop (default), or go on without an answer for it",
    )


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar of texts on a terminal, moved by what it yields; nothing elsewhere or for few texts."""
    # Where the answers go to the same terminal, they are the progress.
    with Bar("Texts", total, "texts", visible=total >= _MANY and not sys.stdout.isatty()) as bar:
        yield bar.add


class JsonList:
    """Prints a list as `json.dumps(…, indent=2)` would, item by item, nothing before the first."""

    def __init__(self, before: str = "", indent: str = "") -> None:
        """Takes what stands before the list and how far its lines are indented."""
        self._before = before
        self._indent = indent
        self._empty = True

    def __enter__(self) -> JsonList:
        return self

    def add(self, item: Any) -> None:
        """Prints the next item."""
        shown = textwrap.indent(json.dumps(item, indent=2, ensure_ascii=False), self._indent + "  ")
        print(f"{self._before}[\n" if self._empty else ",\n", end="")
        print(shown, end="")
        self._empty = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            print(f"{self._before}[]" if self._empty else f"\n{self._indent}]", end="")
