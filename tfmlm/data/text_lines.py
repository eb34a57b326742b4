"""Lines of text files, plain or compressed, in memory that no line can exceed."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import logging
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

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
    for content in _contents(path):
        with io.TextIOWrapper(content, encoding="utf-8") as text:
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
        content = next(_contents(path), None)
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


def _contents(path: Path) -> Iterator[IO[bytes]]:
    """The uncompressed bytes of a file; of each file in a zip archive."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                hidden = any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
                if not name.endswith("/") and not hidden:
                    yield archive.open(name)
    elif suffix == ".zst":
        import zstandard

        _require_whole_zstd(path)
        yield zstandard.open(path, "rb")
    else:
        openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
        yield openers[suffix](path, "rb") if suffix in openers else path.open("rb")


def _require_whole_zstd(path: Path) -> None:
    """Walks the block headers of a Zstandard file: its reader takes a cut one for a whole one.

    The format: https://datatracker.ietf.org/doc/html/rfc8878#section-3.1

    Raises:
        EOFError: the file is cut off.
    """
    import zstandard

    size = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < size:
            start = file.tell()
            head = file.read(18)  # a frame header is not longer
            if head[:4][1:] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:  # to be skipped over
                file.seek(start + 8 + int.from_bytes(head[4:8], "little"))
                if file.tell() > size:
                    raise EOFError("the compressed file ended before its end-of-stream marker")
                continue
            try:
                parameters = zstandard.get_frame_parameters(head)
                file.seek(start + zstandard.frame_header_size(head))
            except zstandard.ZstdError as error:
                raise EOFError(f"no whole Zstandard frame ({error})") from None
            last = False
            while not last:
                header = int.from_bytes(file.read(3), "little")
                last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
                file.seek(1 if kind == 1 else length, io.SEEK_CUR)  # 1: a byte that is repeated
                if file.tell() > size or (header == 0 and file.tell() == size):
                    break
            if parameters.has_checksum:
                file.seek(4, io.SEEK_CUR)
            if file.tell() > size or not last:
                raise EOFError("the compressed file ended before its end-of-stream marker")
