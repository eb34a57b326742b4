"""Strings as `tensor_content`; TensorFlow's own reader is compared in test_tensors.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfmlm.client.string_content import decode_strings, encode_strings


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_there_and_back(values: list[bytes]) -> None:
    assert decode_strings(encode_strings(values), len(values)) == values


def test_the_bytes_are_tensorflows() -> None:
    assert encode_strings([b"", b"a" * 127, b"b" * 300]) == (
        b"\x00\x7f\xac\x02" + b"a" * 127 + b"b" * 300
    )


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"", 1),
        (b"\x05ab", 1),
        (b"\x01ab", 1),
        (b"\x80" * 9, 1),
        (b"\xff\xff\xff\xff\xff\x01", 1),
        (b"\x00", 10**12),
    ],
)
def test_content_of_other_strings(content: bytes, count: int) -> None:
    with pytest.raises(ValueError, match="string tensor content"):
        decode_strings(content, count)
