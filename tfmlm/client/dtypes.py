"""Numbers of TensorFlow's data types."""

from __future__ import annotations

import enum


class DataType(enum.IntEnum):
    """`DataType` of `tensorflow/core/framework/types.proto`: what servers and clients can read."""

    FLOAT = 1
    DOUBLE = 2
    INT32 = 3
    UINT8 = 4
    INT16 = 5
    INT8 = 6
    STRING = 7
    INT64 = 9
    BOOL = 10
    UINT32 = 22
    UINT64 = 23
