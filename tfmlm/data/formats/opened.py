"""Files as streams: decompressed, and decoded as their byte-order mark says (else as UTF-8)."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tfmlm.errors import UserError

#: Characters of a line of a table, or of a value in it.
LONGEST_LINE = 1 << 26
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")

_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def format_suffix(path: Path) -> str:
    """The suffix that tells the format, below the compression's, in lower case.

    Raises:
        UserError: a broken zip file.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        names = [Path(path.stem).name, *zip_members(path)[:1]]
        suffixes = [Path(name).suffix.lower() for name in names]
        return next((s for s in suffixes if s), "")
    return Path(path.stem).suffix.lower() if suffix in COMPRESSIONS else suffix


def zip_members(path: Path) -> list[str]:
    """Names of the files in a zip archive, in order, without hidden ones.

    Raises:
        UserError: a broken zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        raise UserError(f"{path} is a broken zip file") from None
    return [
        name
        for name in names
        if not name.endswith("/")
        and not any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
    ]


def streams(path: Path) -> Iterator[IO[bytes]]:
    """The uncompressed bytes of a file; of each file in a zip archive."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in zip_members(path):
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


def encoding_of(head: bytes) -> str:
    """The codec that the byte-order mark at the beginning of a file names, else UTF-8."""
    return next((codec for mark, codec in _MARKS if head.startswith(mark)), "utf-8")


def decoded(stream: IO[bytes], newline: str | None = None) -> io.TextIOWrapper:
    """A stream as text; `newline` as in `open`: None makes every line end a `\\n`.

    Raises:
        UnicodeDecodeError: while it is read, where the bytes are no text.
    """
    buffered = io.BufferedReader(_Raw(stream), 1 << 16)
    return io.TextIOWrapper(buffered, encoding_of(buffered.peek(4)[:4]), newline=newline)


class _Raw(io.RawIOBase):
    """Any readable stream for `io.BufferedReader`, which some decompressors do not suit."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def lines(stream: IO[bytes], name: str, newline: str | None = None) -> Iterator[str]:
    """The lines of a stream with their ends.

    Raises:
        UserError: bytes that are no text, or a line that would fill the memory; the message has
            the number of the line.
    """
    number = 0
    text = decoded(stream, newline)
    try:
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise UserError(f"{name}: line {number} has over {LONGEST_LINE:,} characters")
            yield line
    except UnicodeDecodeError as error:
        # TextIOWrapper decodes a piece only when no whole line is left of the one before.
        bad = number + 1 + error.object[: error.start].count(b"\n")
        raise UserError(not_text(name, f"line {bad}", text.encoding)) from None


def not_text(name: str, where: str, encoding: str = "utf-8") -> str:
    """The message for a file that is no text."""
    called = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
    return (
        f"{name} is not {called} text ({where}); convert it, for example: iconv -f LATIN1 -t UTF-8"
    )


def is_unicode(text: str) -> bool:
    """Whether a string can be written as UTF-8: it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
