"""Arrays of every type, of odd shapes and contents."""

import numpy as np

_STRINGS = [b"", b"\x00", b"a\x00b\x00", "ü漢字".encode(), b"\xff\xfe"]
_STRINGS += [b"x" * 22, b"x" * 23, b"y" * 99]

ARRAYS = {
    "float32": np.array([[0.1, -0.0, np.inf], [1e-45, 3e38, -1.5]], np.float32),
    "float64": np.array(0.1),
    "int32": np.arange(24, dtype=np.int32).reshape(2, 3, 4),
    "int64 transposed": np.arange(6).reshape(2, 3).T,
    "bool": np.array([True, False, True]),
    "none": np.zeros([0, 3], np.int32),
    "strings": np.array(_STRINGS, object),
    "strings of a matrix": np.array(_STRINGS, object).reshape(4, 2).T,
    "str": np.array(["", "é", "x" * 40], object),
    "one string": np.array(b"long " * 100, object),
    "no strings": np.zeros([2, 0], object),
}
