"""TensorProto to and from NumPy, bounded, with TensorFlow's error texts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfmlm.client.dtypes import DataType
from tfmlm.client.string_content import decode_strings, encode_strings
from tfmlm.serve.status import invalid_argument, too_many_rows

#: Most elements in one input tensor. A TensorProto of a few bytes can stand for any number of them.
MAX_ELEMENTS = 1 << 21
#: Most strings in one: objects of their own each.
MAX_STRINGS = 1 << 18
_MAX_RANK = 16

# NumPy type, field of TensorProto, name
_TYPES: dict[int, tuple[Any, str, str]] = {
    DataType.FLOAT: (np.float32, "float_val", "float"),
    DataType.DOUBLE: (np.float64, "double_val", "double"),
    DataType.INT32: (np.int32, "int_val", "int32"),
    DataType.UINT8: (np.uint8, "int_val", "uint8"),
    DataType.INT16: (np.int16, "int_val", "int16"),
    DataType.INT8: (np.int8, "int_val", "int8"),
    DataType.STRING: (np.object_, "string_val", "string"),
    DataType.INT64: (np.int64, "int64_val", "int64"),
    DataType.BOOL: (np.bool_, "bool_val", "bool"),
    DataType.UINT32: (np.uint32, "uint32_val", "uint32"),
    DataType.UINT64: (np.uint64, "uint64_val", "uint64"),
}


def type_name(dtype: int) -> str:
    """TensorFlow's name of a DataType number."""
    return _TYPES[dtype][2] if dtype in _TYPES else f"DataType {dtype}"


def numpy_type(dtype: int) -> Any:
    """The NumPy type of a DataType number; strings are arrays of bytes objects."""
    return _TYPES[dtype][0]


def array_from_proto(proto: Any, alias: str, max_rows: int | None = None) -> np.ndarray:
    """The array a TensorProto stands for.

    Type, number of dimensions and shape are judged before anything of the shape's size is made.

    Raises:
        StatusError: INVALID_ARGUMENT, as `Tensor::FromProto` refuses it, or for too many elements
            or rows.
    """
    broken = invalid_argument(f"tensor parsing error: {alias}")
    if proto.dtype not in _TYPES or proto.tensor_shape.unknown_rank:
        raise broken
    if len(proto.tensor_shape.dim) > _MAX_RANK:
        raise broken
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in shape):
        raise broken
    numpy_dtype, field, _ = _TYPES[proto.dtype]
    count = math.prod(shape)
    most = MAX_STRINGS if numpy_dtype is np.object_ else MAX_ELEMENTS
    if count > most:
        raise invalid_argument(
            f"input {alias} has {count} elements; this server takes at most {most}"
        )
    if max_rows is not None and shape and shape[0] > max_rows:
        raise too_many_rows(shape[0], max_rows)
    if math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS:
        raise broken  # no elements, in a shape that has no end
    if proto.tensor_content:
        if numpy_dtype is np.object_:
            try:
                values: Any = decode_strings(proto.tensor_content, count)
            except ValueError:
                raise broken from None
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
            proto.tensor_content = encode_strings(values)
        else:
            proto.string_val.extend(values)
    elif as_content:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    else:
        getattr(proto, field).extend(array.ravel().tolist())
