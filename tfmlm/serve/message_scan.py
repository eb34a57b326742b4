"""Counts the fields of a PredictRequest before protobuf makes objects of them.

Two bytes of a message can be an object of a hundred. Only large messages are worth it: the number
of fields of a small one is bounded by its size.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from tfmlm.serve.status import invalid_argument

#: Most fields of a request: each string of a tensor, and each number that is not packed, is one.
MAX_FIELDS = 1 << 18

# Where fields lie in other fields: PredictRequest.inputs -> the map's value -> TensorProto's
# tensor_shape -> dim (`predict.proto`, `tensor.proto`, `tensor_shape.proto`)
_Nesting = dict[int, "_Nesting"]
_REQUEST: _Nesting = {2: {2: {2: {2: {}}}}}
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


def scan_predict_request(body: bytes) -> None:
    """Judges a message.

    Raises:
        StatusError: INVALID_ARGUMENT: it has too many fields.
        DecodeError: it is no message.
    """
    _count(body, 0, len(body), _REQUEST, MAX_FIELDS)


def _count(body: bytes, at: int, end: int, inner: _Nesting, left: int) -> int:
    """Counts the fields in a part of `body`. Returns how many more there may be."""
    while at < end:
        left -= 1
        if left < 0:
            raise invalid_argument(f"the request has more than {MAX_FIELDS} fields")
        tag, at = _varint(body, at, end)
        wire = tag & 7
        if wire == _LENGTH:
            size, at = _varint(body, at, end)
            if size > end - at:
                raise DecodeError("truncated")
            deeper = inner.get(tag >> 3)
            if deeper is not None:
                left = _count(body, at, at + size, deeper, left)
            at += size
        elif wire == _VARINT:
            _, at = _varint(body, at, end)
        elif wire in (_FOUR, _EIGHT):
            at += 4 if wire == _FOUR else 8
        else:  # groups: no message of TensorFlow Serving has one
            raise DecodeError("a group")
    return left


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise DecodeError("truncated")
