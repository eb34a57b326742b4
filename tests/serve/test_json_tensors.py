"""Reading and writing JSON, against TensorFlow's own types and hypothesis' values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import meta_graph_pb2

from tfmlm.serve.json_tensors import read_body, read_inputs, write_outputs
from tfmlm.serve.status import StatusError


def infos(**dtypes: int) -> dict[str, Any]:
    return {
        name: meta_graph_pb2.TensorInfo(name=f"{name}:0", dtype=d) for name, d in dtypes.items()
    }


def read(body: Any, **dtypes: int) -> dict[str, np.ndarray]:
    document, _ = read_body(json.dumps(body).encode())
    return read_inputs(document, infos(**dtypes))[0]


@pytest.mark.parametrize(
    ("dtype", "values", "numpy"),
    [
        (1, [0.5, 1, -2], "float32"),
        (2, [0.5, 1e300], "float64"),
        (3, [1, -(2**31)], "int32"),
        (4, [1, 255], "uint8"),
        (5, [1, -5], "int16"),
        (6, [1, -5], "int8"),
        (9, [2**63 - 1], "int64"),
        (10, [True, False], "bool"),
        (22, [2**32 - 1], "uint32"),
        (23, [2**64 - 1], "uint64"),
    ],
)
def test_every_type_is_read(dtype: int, values: list[Any], numpy: str) -> None:
    array = read({"inputs": values}, x=dtype)["x"]
    assert array.dtype == numpy and array.tolist() == values
    assert read({"instances": values}, x=dtype)["x"].tolist() == values


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (1, "1"),
        (1, True),
        (3, 2**31),
        (9, 2**63),
        (10, 1),
        (22, -1),
        (23, 2**64),
        (7, None),
        (3, {}),
    ],
)
def test_other_values_are_refused(dtype: int, value: Any) -> None:
    with pytest.raises(StatusError, match="is not of expected type|not formatted correctly"):
        read({"inputs": [value]}, x=dtype)


def test_a_type_that_json_cannot_give_is_unimplemented() -> None:
    with pytest.raises(StatusError, match="UNIMPLEMENTED: Conversion of JSON Value: 1"):
        read({"inputs": [1]}, x=8)  # complex64


def test_not_a_number_and_infinity() -> None:
    document, _ = read_body(b'{"inputs": [NaN, Infinity, -Infinity, 1e999]}')
    array = read_inputs(document, infos(x=1))[0]["x"]
    assert np.isnan(array[0]) and array[1:].tolist() == [np.inf, -np.inf, np.inf]
    text = write_outputs({"x": array}, by_rows=False).decode()
    assert text == '{"outputs":[NaN,Infinity,-Infinity,Infinity]}'


def test_a_scalar_is_a_tensor_without_dimensions() -> None:
    assert read({"inputs": {"a": 3, "b": "x"}}, a=3, b=7)["a"].shape == ()
    assert read({"inputs": []}, x=7)["x"].shape == (0,)
    assert read({"inputs": [[], []]}, x=7)["x"].shape == (2, 0)


def test_rows_and_one_output() -> None:
    array = np.array([[1, 2], [3, 4]], np.int32)
    assert json.loads(write_outputs({"x": array}, True)) == {"predictions": [[1, 2], [3, 4]]}
    two = {"x": array, "y_bytes": np.array([b"\xff", b""], object)}
    assert json.loads(write_outputs(two, True)) == {
        "predictions": [
            {"x": [1, 2], "y_bytes": {"b64": "/w=="}},
            {"x": [3, 4], "y_bytes": {"b64": ""}},
        ]
    }
    with pytest.raises(StatusError, match="inconsistent batch size: 1 expecting: 2"):
        write_outputs({"x": array, "y": array[:1]}, True)
    with pytest.raises(StatusError, match="has no shape information"):
        write_outputs({"x": np.array(1)}, True)
    with pytest.raises(StatusError, match="empty tensor map"):
        write_outputs({}, True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_floats_come_back_bit_for_bit(values: list[float]) -> None:
    array = np.array(values, np.float32)
    back = json.loads(write_outputs({"x": array}, by_rows=False))["outputs"]
    assert np.array(back, np.float32).tobytes() == array.tobytes()


def test_many_floats_of_all_sizes_come_back_bit_for_bit() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 50_000, dtype=np.uint32)
    array = bits.view(np.float32)
    array = array[np.isfinite(array)]
    back = json.loads(write_outputs({"x": array}, by_rows=False))["outputs"]
    assert np.array(back, np.float32).tobytes() == array.tobytes()
    doubles = np.random.default_rng(0).normal(size=5_000)
    back = json.loads(write_outputs({"x": doubles}, by_rows=False))["outputs"]
    assert np.array(back).tobytes() == doubles.tobytes()


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=20))
def test_any_json_is_read_or_refused(value: Any) -> None:
    for body in ({"inputs": value}, {"instances": value}, value):
        for dtype in (1, 3, 7, 9, 10):
            try:
                document, _ = read_body(json.dumps(body).encode())
                read_inputs(document, infos(x=dtype))
            except StatusError as error:
                assert error.code == "INVALID_ARGUMENT"
