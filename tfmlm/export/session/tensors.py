"""NumPy arrays to and from tensors of TensorFlow's C library."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from tfmlm.export.session.library import Library

#: Types of signatures, by their numbers in `tensorflow/core/framework/types.proto`.
STRING = 7
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    STRING: np.dtype(object),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
}
_NUMBERS = {dtype: number for number, dtype in DTYPES.items()}
#: Bytes of a TF_TString.
_STRING_SIZE = 24


class Tensor:
    """An input: the copy of an array, of any shape, as the library takes it.

    Attributes:
        pointer: the TF_Tensor.
    """

    def __init__(self, library: Library, array: np.ndarray) -> None:
        """Copies an array of one of the types of `DTYPES`; strings are bytes or str, in UTF-8."""
        self._library = library
        self._strings: range = range(0)
        number = _NUMBERS[array.dtype]
        size = array.size * (_STRING_SIZE if number == STRING else array.itemsize)
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        self.pointer = library.TF_AllocateTensor(number, shape, array.ndim, size)
        data = library.TF_TensorData(self.pointer)
        if number != STRING:
            ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, size)
        elif size:
            self._strings = range(data, data + size, _STRING_SIZE)
            for place, value in zip(self._strings, array.flat, strict=True):
                raw = value.encode() if isinstance(value, str) else value
                library.TF_StringInit(place)
                library.TF_StringCopy(place, raw, len(raw))

    def free(self) -> None:
        """Gives its memory back; outputs may share it and have to be read before."""
        for place in self._strings:
            self._library.TF_StringDealloc(place)
        self._library.TF_DeleteTensor(self.pointer)


def read(library: Library, pointer: int) -> np.ndarray:
    """A copy of a TF_Tensor of any shape and one of the types of `DTYPES`; strings as bytes."""
    shape = [library.TF_Dim(pointer, i) for i in range(library.TF_NumDims(pointer))]
    dtype = DTYPES[library.TF_TensorType(pointer)]
    array: np.ndarray = np.empty(shape, dtype)
    data = library.TF_TensorData(pointer)
    if dtype.kind != "O":
        ctypes.memmove(array.ctypes.data, data, array.nbytes)
        return array
    size, start, string_at = (
        library.TF_StringGetSize,
        library.TF_StringGetDataPointer,
        ctypes.string_at,
    )
    end = (data or 0) + math.prod(shape) * _STRING_SIZE
    places = range(data or 0, end, _STRING_SIZE)
    array.ravel()[:] = [string_at(start(place), size(place)) for place in places]
    return array
