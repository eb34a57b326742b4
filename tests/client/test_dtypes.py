from __future__ import annotations

from tensorflow.core.framework import types_pb2

from tfmlm.client.dtypes import DataType


def test_numbers_are_tensorflows() -> None:
    assert {d.name: d.value for d in DataType} == {
        d.name: types_pb2.DataType.Value(f"DT_{d.name}") for d in DataType
    }
