"""Nested lists to and from TensorProto, for the types that signatures of an export have."""

from __future__ import annotations

import array
import sys
from typing import Any

from tfmlm.client import protos

_FIELDS = {
    protos.DT_FLOAT: "float_val",
    protos.DT_DOUBLE: "double_val",
    protos.DT_INT32: "int_val",
    protos.DT_INT64: "int64_val",
    protos.DT_STRING: "string_val",
    protos.DT_BOOL: "bool_val",
}
_ARRAY_CODES = {
    protos.DT_FLOAT: "f",
    protos.DT_DOUBLE: "d",
    protos.DT_INT32: "i",
    protos.DT_INT64: "q",
    protos.DT_BOOL: "b",
}


def fill_tensor(tensor: Any, values: list[Any]) -> None:
    """Writes a list of strings or int32, or a rectangular list of such lists, into `tensor`."""
    shape = [len(values)]
    if values and isinstance(values[0], list):
        shape.append(len(values[0]))
        values = [value for row in values for value in row]
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    if values and isinstance(values[0], int):
        tensor.dtype = protos.DT_INT32
        tensor.int_val.extend(values)
    else:
        tensor.dtype = protos.DT_STRING
        tensor.string_val.extend(v if isinstance(v, bytes) else v.encode("utf-8") for v in values)


def read_tensor(tensor: Any) -> Any:
    """The values as nested lists of the tensor's shape; strings decoded as UTF-8, with U+FFFD for
    bytes that are none.

    Raises:
        ValueError: a type this client does not know, or another number of values than the shape's.
    """
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    count = 1
    for size in shape:
        count *= size
    if tensor.dtype not in _FIELDS:
        raise ValueError(f"tensor type {tensor.dtype} is not known to this client")
    values = _content(tensor, count) if tensor.tensor_content else list(_values(tensor))
    if len(values) == 1 and count > 1:
        values *= count  # TensorProto's short form: one value for all
    if len(values) != count:
        raise ValueError(f"a tensor of shape {shape} has {len(values)} values")
    if tensor.dtype == protos.DT_STRING:
        values = [value.decode("utf-8", "replace") for value in values]
    return _nest(values, shape)


def _values(tensor: Any) -> Any:
    return getattr(tensor, _FIELDS[tensor.dtype])


def _content(tensor: Any, count: int) -> list[Any]:
    content = tensor.tensor_content
    if tensor.dtype == protos.DT_STRING:
        return _string_content(content, count)
    values = array.array(_ARRAY_CODES[tensor.dtype])
    values.frombytes(content)
    if sys.byteorder == "big":
        values.byteswap()
    listed = values.tolist()
    return [bool(v) for v in listed] if tensor.dtype == protos.DT_BOOL else listed


def _string_content(content: bytes, count: int) -> list[bytes]:
    """Varint lengths of all strings, then their bytes (`tensor_coding.cc`, EncodeStringList)."""
    lengths, at = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while True:
            if at >= len(content):
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
    pieces = []
    for length in lengths:
        pieces.append(content[at : at + length])
        at += length
    return pieces


def _nest(values: list[Any], shape: list[int]) -> Any:
    if not shape:
        return values[0]
    if len(shape) == 1:
        return values
    step = len(values) // shape[0] if shape[0] else 0
    return [_nest(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
