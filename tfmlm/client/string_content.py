"""Strings as `tensor_content`: varint lengths of all of them, then their bytes.

Source: `EncodeStringList` of `tensorflow/core/platform/tensor_coding.cc`.
"""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST_VARINT = 5  # bytes; a message of protobuf is shorter than 2 GiB


def encode_strings(values: Sequence[bytes]) -> bytes:
    """The `tensor_content` of a string tensor with these elements."""
    head = bytearray()
    for value in values:
        length = len(value)
        while length > 0x7F:
            head.append(length & 0x7F | 0x80)
            length >>= 7
        head.append(length)
    return bytes(head) + b"".join(values)


def decode_strings(content: bytes, count: int) -> list[bytes]:
    """The `count` elements of a string tensor.

    Raises:
        ValueError: the content is not that of so many strings.
    """
    if count > len(content):  # each has a length of a byte at least
        raise ValueError(f"string tensor content of {len(content)} bytes cannot hold {count}")
    lengths, at = [], 0
    for _ in range(count):
        length = shift = 0
        while True:
            if at >= len(content) or shift >= 7 * _LONGEST_VARINT:
                raise ValueError("string tensor content ends early")
            byte = content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if len(content) - at != sum(lengths):
        raise ValueError("string tensor content has another length than it says")
    values = []
    for length in lengths:
        values.append(content[at : at + length])
        at += length
    return values
