from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfmlm.client.inflate import MAX_MEMBERS, PIECE_BYTES, Inflater, TooLargeError


def undo(encoding: str, data: bytes, limit: int = 1 << 20, step: int = 1000) -> bytes:
    inflater = Inflater(encoding, limit)
    pieces = []
    for at in range(0, len(data), step):
        pieces += inflater.feed(data[at : at + step])
    inflater.finish()
    assert all(len(piece) <= max(PIECE_BYTES, step) for piece in pieces)
    return b"".join(pieces)


def bare(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(data) + squeezer.flush()


@settings(deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 700))
def test_every_coding_in_any_pieces(data: bytes, step: int) -> None:
    for encoding, coded in (
        ("", data),
        ("identity", data),
        ("GZIP", gzip.compress(data)),
        ("x-gzip", gzip.compress(data[:7]) + gzip.compress(data[7:])),
        ("deflate", zlib.compress(data)),
    ):
        assert undo(encoding, coded, step=step) == data


def test_bare_deflate() -> None:
    assert undo("deflate", bare(b"some text " * 50)) == b"some text " * 50


def test_long_pieces() -> None:
    data = bytes(3 * PIECE_BYTES + 17)
    assert undo("gzip", gzip.compress(data), 4 * PIECE_BYTES, 1 << 20) == data


def test_limits() -> None:
    with pytest.raises(TooLargeError):
        undo("gzip", gzip.compress(bytes(100_001)), 100_000)
    with pytest.raises(TooLargeError):
        undo("", bytes(100_001), 100_000)
    assert undo("gzip", gzip.compress(bytes(100_000)), 100_000) == bytes(100_000)
    assert undo("gzip", gzip.compress(b"a") * MAX_MEMBERS) == b"a" * MAX_MEMBERS
    with pytest.raises(ValueError, match="gzip members"):
        undo("gzip", gzip.compress(b"a") * (MAX_MEMBERS + 1))


@pytest.mark.parametrize(
    ("encoding", "data", "message"),
    [
        ("br", b"", "'br' is not known"),
        ("gzip", b"hello", "gzip data are broken"),
        ("gzip", gzip.compress(b"hello")[:-3], "gzip data end early"),
        ("deflate", zlib.compress(b"hello" * 9)[:-6], "deflate data end early"),
    ],
)
def test_broken_data(encoding: str, data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        undo(encoding, data)
