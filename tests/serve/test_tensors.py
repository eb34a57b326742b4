from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2

from tests.client.test_tensors import DTYPES, SHAPES, an_array
from tfmlm.serve.status import StatusError
from tfmlm.serve.tensors import MAX_ELEMENTS, array_from_proto, fill_proto


@settings(max_examples=150, deadline=None)
@given(SHAPES, DTYPES, st.integers(0, 1000), st.booleans())
def test_to_and_from_tensorflow(shape: list[int], dtype: str, seed: int, content: bool) -> None:
    array = an_array(shape, dtype, seed)
    proto = tf.make_tensor_proto(array, shape=shape)
    back = array_from_proto(proto, "x")
    assert back.dtype == array.dtype and back.shape == array.shape
    assert back.tolist() == array.tolist()
    written = tensor_pb2.TensorProto()
    fill_proto(written, array, proto.dtype, as_content=content)
    assert array_from_proto(written, "x").tolist() == array.tolist()
    if dtype != "object" or not content:  # make_ndarray reads no string content
        assert tf.make_ndarray(written).tolist() == array.tolist()


def test_the_last_value_stands_for_the_rest() -> None:
    proto = tensor_pb2.TensorProto(dtype=3, int_val=[1, 2])
    proto.tensor_shape.dim.add(size=4)
    assert array_from_proto(proto, "x").tolist() == [1, 2, 2, 2] == tf.make_ndarray(proto).tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.tensor_shape.dim.add(size=-1),
        lambda p: setattr(p.tensor_shape, "unknown_rank", True),
        lambda p: setattr(p, "dtype", 8),
        lambda p: setattr(p, "dtype", 0),
        lambda p: setattr(p, "tensor_content", b"123"),
        lambda p: p.int_val.extend([1, 2, 3]),
        lambda p: p.tensor_shape.dim.extend([p.tensor_shape.Dim(size=1)] * 300),
        lambda p: (setattr(p, "dtype", 4), p.int_val.append(70_000)),
    ],
)
def test_broken_tensors(change) -> None:
    proto = tensor_pb2.TensorProto(dtype=3, int_val=[1])
    proto.tensor_shape.dim.add(size=1)
    change(proto)
    with pytest.raises(StatusError, match="tensor parsing error: x"):
        array_from_proto(proto, "x")


def test_too_many_elements() -> None:
    proto = tensor_pb2.TensorProto(dtype=7, string_val=[b"a"])
    proto.tensor_shape.dim.add(size=MAX_ELEMENTS + 1)
    with pytest.raises(StatusError, match="at most"):
        array_from_proto(proto, "x")


@given(st.binary(max_size=60), st.integers(0, 5))
def test_any_string_content_is_read_or_refused(content: bytes, count: int) -> None:
    proto = tensor_pb2.TensorProto(dtype=7, tensor_content=content or b"\x00")
    proto.tensor_shape.dim.add(size=count)
    try:
        assert array_from_proto(proto, "x").shape == (count,)
    except StatusError as error:
        assert error.code == "INVALID_ARGUMENT"


def test_small_integers_that_do_not_fit() -> None:
    proto = tensor_pb2.TensorProto(dtype=6, int_val=[-3])
    proto.tensor_shape.dim.add(size=1)
    assert array_from_proto(proto, "x").tolist() == [-3]
    assert array_from_proto(proto, "x").dtype == np.int8
