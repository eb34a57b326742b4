"""Content codings of HTTP, undone piece by piece and never beyond a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

#: Most bytes that one piece has; what a caller does with a piece takes a bounded time.
PIECE_BYTES = 256 * 1024
#: A gzip body may be several one after another; nobody sends more than a few.
MAX_MEMBERS = 64


class TooLargeError(ValueError):
    """A body holds more than the limit."""


class Inflater:
    """Undoes a `Content-Encoding`.

    Args:
        encoding: `gzip`, `deflate`, `identity`, or "" for none.
        limit: most bytes of the body, as sent and undone.

    Raises:
        ValueError: an encoding that is not known.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding.strip().lower().removeprefix("x-")
        if self._encoding not in ("", "identity", "gzip", "deflate"):
            raise ValueError(f"Content-Encoding {encoding[:40]!r} is not known; gzip is")
        self._limit = limit
        self._plain = self._encoding in ("", "identity")
        self._received = self._given = self._members = 0
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data`, the next bytes of the body, stands for, in pieces of `PIECE_BYTES` at most.

        Raises:
            TooLargeError: the body is over the limit.
            ValueError: the data are broken.
        """
        self._received += len(data)
        if self._received > self._limit:
            raise TooLargeError
        if self._plain:
            yield data
            return
        while data:
            if self._inflate is None:
                self._inflate = self._next_member(data)
            try:
                piece = self._inflate.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise ValueError(f"the {self._encoding} data are broken: {error}") from None
            self._given += len(piece)
            if self._given > self._limit:
                raise TooLargeError
            yield piece
            if self._inflate.eof:
                data = self._inflate.unused_data
                self._inflate = None
            else:
                data = self._inflate.unconsumed_tail
                if not data and len(piece) == PIECE_BYTES:
                    # all is read, but not all is given yet
                    yield from self._rest(self._inflate)

    def finish(self) -> None:
        """Call it after the last byte.

        Raises:
            ValueError: the data end early.
        """
        if self._inflate is not None and not self._inflate.eof:
            raise ValueError(f"the {self._encoding} data end early")

    def _rest(self, inflate: zlib._Decompress) -> Iterator[bytes]:
        while True:
            piece = inflate.decompress(b"", PIECE_BYTES)
            self._given += len(piece)
            if self._given > self._limit:
                raise TooLargeError
            yield piece
            if len(piece) < PIECE_BYTES:
                return

    def _next_member(self, data: bytes) -> zlib._Decompress:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise ValueError(f"more than {MAX_MEMBERS} {self._encoding} members in one body")
        if self._encoding == "gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        # RFC 9110 means zlib's format; some send bare deflate
        return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)
