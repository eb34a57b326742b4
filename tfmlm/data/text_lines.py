"""Lines of text files, plain or compressed, in memory that no line can exceed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from tfmlm.data.formats.opened import decoded, streams
from tfmlm.errors import UserError

logger = logging.getLogger("tfmlm.data")

#: Characters of a text; a longer line becomes several texts.
LONGEST_TEXT = 1_000_000
#: Bytes without a line end that a table (JSON, CSV) may begin with.
LONGEST_RECORD = 1 << 26
_BLOCK = 1 << 20


def text_lines(path: Path) -> Iterator[str]:
    """Yields the lines of a text file without their ends.

    A line of over `LONGEST_TEXT` characters is cut at white space, or where there is none, into
    several; that is logged once a file.

    Raises:
        OSError, EOFError, ValueError: the file cannot be read, is cut off, or is not UTF-8.
    """
    said = False
    for content in streams(path):
        with decoded(content) as text:
            rest = ""
            while piece := text.readline(LONGEST_TEXT - len(rest) + 1):
                line = rest + piece
                rest = ""
                if line.endswith("\n"):
                    yield line[:-1]
                    continue
                if len(line) <= LONGEST_TEXT:  # the last line of the file, without an end
                    yield line
                    continue
                if not said:
                    logger.warning(
                        f"{path} has a line of over {LONGEST_TEXT:,} characters, which is read as "
                        "several texts"
                    )
                    said = True
                end = _last_space(line)
                yield line[:end]
                rest = line[end:]
            if rest:
                yield rest


def _last_space(line: str) -> int:
    """Where to cut: behind the last white space in the second half, else at the limit."""
    for place in range(LONGEST_TEXT - 1, LONGEST_TEXT // 2, -1):
        if line[place].isspace():
            return place + 1
    return LONGEST_TEXT


def require_first_record(path: Path) -> None:
    """Raises `UserError` for a compressed table whose first line fills the memory."""
    with contextlib.suppress(OSError, EOFError, ValueError):  # the table's reader says what it is
        content = next(streams(path), None)
        if content is None:
            return
        with content:
            read = 0
            while block := content.read(_BLOCK):
                if b"\n" in block:
                    return
                read += len(block)
                if read > LONGEST_RECORD:
                    raise UserError(
                        f"{path} begins with a line of over {LONGEST_RECORD:,} bytes; write one "
                        "record a line (JSON Lines)"
                    )
