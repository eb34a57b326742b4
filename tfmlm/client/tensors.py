"""Nested lists to and from TensorProto, for the types that signatures of an export have."""

from __future__ import annotations

import array
import math
import sys
from collections.abc import Sequence
from typing import Any

from tfmlm.client.dtypes import DataType
from tfmlm.client.string_content import decode_strings

#: A few bytes may stand for a whole tensor whose elements are equal; this many of them at most.
MAX_REPEATED = 65_536
_MAX_RANK = 8

_FIELDS = {
    DataType.FLOAT: "float_val",
    DataType.DOUBLE: "double_val",
    DataType.INT32: "int_val",
    DataType.INT64: "int64_val",
    DataType.STRING: "string_val",
    DataType.BOOL: "bool_val",
}
_ARRAY_CODES = {
    DataType.FLOAT: "f",
    DataType.DOUBLE: "d",
    DataType.INT32: "i",
    DataType.INT64: "q",
    DataType.BOOL: "b",
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
        tensor.dtype = DataType.INT32
        tensor.int_val.extend(values)
    else:
        tensor.dtype = DataType.STRING
        tensor.string_val.extend(v if isinstance(v, bytes) else v.encode("utf-8") for v in values)


def read_tensor(tensor: Any) -> Any:
    """The values as nested lists of the tensor's shape; strings decoded as UTF-8, with U+FFFD for
    bytes that are none.

    The shape is judged before anything is made: it takes no memory to claim a size.

    Raises:
        ValueError: a type this client does not know, a shape that cannot be, or another number of
            values than the shape's.
    """
    if tensor.dtype not in _FIELDS:
        raise ValueError(f"tensor type {tensor.dtype} is not known to this client")
    if tensor.tensor_shape.unknown_rank or len(tensor.tensor_shape.dim) > _MAX_RANK:
        raise ValueError(f"a tensor without a shape or of more than {_MAX_RANK} dimensions")
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if any(size < 0 for size in shape):
        raise ValueError(f"a tensor of shape {shape}")
    count = math.prod(shape)
    given = _values(tensor)
    present = count if tensor.tensor_content else len(given)
    repeats = present == 1 and 1 < count <= MAX_REPEATED  # TensorProto's short form
    if present != count and not repeats:
        raise ValueError(f"a tensor of shape {shape} has {present} values")
    # lists around nothing: [1000000000, 0] has no values, and a list for each of them
    if math.prod(max(size, 1) for size in shape) > max(count, MAX_REPEATED):
        raise ValueError(f"a tensor of shape {shape} has no values")
    values = _content(tensor, count) if tensor.tensor_content else list(given)
    if repeats:
        values *= count
    if tensor.dtype == DataType.STRING:
        values = [value.decode("utf-8", "replace") for value in values]
    return nested(values, shape)


def _values(tensor: Any) -> Any:
    return getattr(tensor, _FIELDS[tensor.dtype])


def _content(tensor: Any, count: int) -> list[Any]:
    content = tensor.tensor_content
    if tensor.dtype == DataType.STRING:
        return decode_strings(content, count)
    values = array.array(_ARRAY_CODES[tensor.dtype])
    if len(content) != count * values.itemsize:
        raise ValueError(f"a tensor of {count} values has {len(content)} bytes")
    values.frombytes(content)
    if sys.byteorder == "big":
        values.byteswap()
    listed = values.tolist()
    return [bool(v) for v in listed] if tensor.dtype == DataType.BOOL else listed


def nested(values: list[Any], shape: Sequence[int]) -> Any:
    """A flat list as lists within lists of a shape; the value itself where that is empty."""
    if not shape:
        return values[0]
    if len(shape) == 1:
        return values
    step = len(values) // shape[0] if shape[0] else 0
    return [nested(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
