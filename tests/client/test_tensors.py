from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfmlm.client import protos
from tfmlm.client.dtypes import DataType
from tfmlm.client.tensors import fill_tensor, read_tensor

SHAPES = st.lists(st.integers(0, 3), min_size=0, max_size=4)
DTYPES = st.sampled_from(["float32", "float64", "int32", "int64", "bool", "object"])


def an_array(shape: list[int], dtype: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "object":
        words = rng.integers(0, 300, size=shape)
        return np.vectorize(lambda n: ("é" * n).encode(), otypes=[object])(words)
    return (rng.normal(size=shape) * 100).astype(dtype)


def as_own(proto) -> protos.TensorProto:
    return protos.TensorProto.FromString(proto.SerializeToString())


@settings(max_examples=150, deadline=None)
@given(SHAPES, DTYPES, st.integers(0, 1000))
def test_reads_what_tensorflow_writes(shape: list[int], dtype: str, seed: int) -> None:
    array = an_array(shape, dtype, seed)
    expected = array.tolist()
    if dtype == "object":
        expected = np.vectorize(lambda b: b.decode(), otypes=[object])(array).tolist()
    proto = tf.make_tensor_proto(array, shape=shape)  # numbers as tensor_content
    assert read_tensor(as_own(proto)) == expected
    if dtype == "object":
        return
    fields = tf.compat.v1.make_tensor_proto([], dtype=proto.dtype)
    fields.Clear()
    fields.dtype = proto.dtype
    fields.tensor_shape.CopyFrom(proto.tensor_shape)
    name = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val", 10: "bool_val"}
    getattr(fields, name[proto.dtype]).extend(array.ravel().tolist())
    assert read_tensor(as_own(fields)) == expected


def test_reads_string_content_as_tensorflow_encodes_it() -> None:
    values = [b"", b"a" * 127, b"b" * 128, "é".encode() * 9000]
    proto = protos.TensorProto(dtype=DataType.STRING)
    proto.tensor_shape.dim.add(size=4)
    lengths = b"\x00" + b"\x7f" + b"\x80\x01" + b"\xd0\x8c\x01"
    proto.tensor_content = lengths + b"".join(values)
    assert read_tensor(proto) == [v.decode() for v in values]
    assert [v.encode() for v in read_tensor(proto)] == list(
        tf.make_ndarray(tf.compat.v1.make_tensor_proto(values))
    )


@pytest.mark.parametrize(
    ("values", "dtype"),
    [(["a", "ü"], tf.string), ([["a", ""], ["b", "c"]], tf.string), ([1, 5], tf.int32)],
)
def test_writes_what_tensorflow_reads(values, dtype) -> None:
    own = protos.TensorProto()
    fill_tensor(own, values)
    from tensorflow.core.framework import tensor_pb2

    array = tf.make_ndarray(tensor_pb2.TensorProto.FromString(own.SerializeToString()))
    assert own.dtype == dtype.as_datatype_enum
    if dtype == tf.string:
        array = np.vectorize(lambda b: b.decode(), otypes=[object])(array)
    assert array.tolist() == values


def test_one_value_stands_for_all() -> None:
    proto = protos.TensorProto(dtype=DataType.INT32, int_val=[7])
    proto.tensor_shape.dim.add(size=3)
    assert read_tensor(proto) == [7, 7, 7]


def test_refuses_an_unknown_type_and_a_wrong_number_of_values() -> None:
    with pytest.raises(ValueError, match="tensor type 99"):
        read_tensor(protos.TensorProto(dtype=99))
    proto = protos.TensorProto(dtype=DataType.INT32, int_val=[7, 8])
    proto.tensor_shape.dim.add(size=3)
    with pytest.raises(ValueError, match=r"shape \[3\] has 2 values"):
        read_tensor(proto)
    proto = protos.TensorProto(dtype=DataType.STRING, tensor_content=b"\x05ab")
    proto.tensor_shape.dim.add(size=1)
    with pytest.raises(ValueError, match="another length"):
        read_tensor(proto)
