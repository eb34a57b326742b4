"""TensorProto to and from NumPy, bounded, with TensorFlow's error texts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfmlm.serve.status import invalid_argument

#: Most elements in one input tensor. A TensorProto of a few bytes can stand for any number of them.
MAX_ELEMENTS = 1 << 22

# DataType numbers of types.proto: NumPy type, field of TensorProto, name
_TYPES: dict[int, tuple[Any, str, str]] = {
    1: (np.float32, "float_val", "float"),
    2: (np.float64, "double_val", "double"),
    3: (np.int32, "int_val", "int32"),
    4: (np.uint8, "int_val", "uint8"),
    5: (np.int16, "int_val", "int16"),
    6: (np.int8, "int_val", "int8"),
    7: (np.object_, "string_val", "string"),
    9: (np.int64, "int64_val", "int64"),
    10: (np.bool_, "bool_val", "bool"),
    22: (np.uint32, "uint32_val", "uint32"),
    23: (np.uint64, "uint64_val", "uint64"),
}


def type_name(dtype: int) -> str:
    """TensorFlow's name of a DataType number."""
    return _TYPES[dtype][2] if dtype in _TYPES else f"DataType {dtype}"


def numpy_type(dtype: int) -> Any:
    """The NumPy type of a DataType number; strings are arrays of bytes objects."""
    return _TYPES[dtype][0]


def is_known(dtype: int) -> bool:
    return dtype in _TYPES


def array_from_proto(proto: Any, alias: str) -> np.ndarray:
    """The array a TensorProto stands for.

    Raises:
        StatusError: INVALID_ARGUMENT, as `Tensor::FromProto` refuses it, or for too many elements.
    """
    broken = invalid_argument(f"tensor parsing error: {alias}")
    if proto.dtype not in _TYPES or proto.tensor_shape.unknown_rank:
        raise broken
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in shape) or len(shape) > 16:
        raise broken
    count = math.prod(shape)
    if count > MAX_ELEMENTS:
        raise invalid_argument(
            f"input {alias} has {count} elements; this server takes at most {MAX_ELEMENTS}"
        )
    numpy_dtype, field, _ = _TYPES[proto.dtype]
    if proto.tensor_content:
        if numpy_dtype is np.object_:
            values = _strings_from_content(proto.tensor_content, count, broken)
        else:
            if len(proto.tensor_content) != count * np.dtype(numpy_dtype).itemsize:
                raise broken
            return np.frombuffer(proto.tensor_content, numpy_dtype).reshape(shape)
    else:
        values = getattr(proto, field)
        if len(values) > count or (not len(values) and count and numpy_dtype is not np.object_):
            # TensorFlow fills an empty list with zeros; nothing that a client means to send
            raise broken
    array = np.empty(count, numpy_dtype)
    try:
        if len(values) == count:
            array[:] = values
        elif len(values):
            array[: len(values)] = values
            array[len(values) :] = values[-1]  # the last value stands for the rest
        else:
            array[:] = b""
    except OverflowError:
        raise broken from None
    return array.reshape(shape)


def fill_proto(proto: Any, array: np.ndarray, dtype: int, as_content: bool = False) -> None:
    """Writes `array` into an empty TensorProto, as fields or as `tensor_content`."""
    proto.dtype = dtype
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    numpy_dtype, field, _ = _TYPES[dtype]
    if numpy_dtype is np.object_:
        values = [v if isinstance(v, bytes) else v.encode() for v in array.ravel().tolist()]
        if as_content:
            proto.tensor_content = _strings_to_content(values)
        else:
            proto.string_val.extend(values)
    elif as_content:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    else:
        getattr(proto, field).extend(array.ravel().tolist())


def _strings_from_content(content: bytes, count: int, broken: Exception) -> list[bytes]:
    """Varint lengths, then bytes (`tensorflow/core/framework/tensor.cc`, DecodeStringList)."""
    lengths, at = [], 0
    for _ in range(count):
        length = shift = 0
        while True:
            if at >= len(content) or shift > 35:
                raise broken
            byte = content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if len(content) - at != sum(lengths):
        raise broken
    values = []
    for length in lengths:
        values.append(content[at : at + length])
        at += length
    return values


def _strings_to_content(values: list[bytes]) -> bytes:
    head = bytearray()
    for value in values:
        length = len(value)
        while length > 0x7F:
            head.append(length & 0x7F | 0x80)
            length >>= 7
        head.append(length)
    return bytes(head) + b"".join(values)
