"""From the inputs of a request to what is fed and fetched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tfmlm.serve.predict import arrays_of_request, find_signature, make_plan
from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError


@pytest.fixture
def signature() -> Any:
    """Texts of any number and `k`, a row of two; outputs `b` and `a`."""
    made = meta_graph_pb2.SignatureDef()
    for alias, dtype, sizes in (("text", tf.string, [-1]), ("k", tf.int32, [2])):
        made.inputs[alias].name = f"feed_{alias}:0"
        made.inputs[alias].dtype = dtype.as_datatype_enum
        made.inputs[alias].tensor_shape.CopyFrom(tf.TensorShape([None]).as_proto())
        made.inputs[alias].tensor_shape.dim[0].size = sizes[0]
    for alias in ("b", "a"):
        made.outputs[alias].name = f"fetch_{alias}:0"
        made.outputs[alias].dtype = tf.float32.as_datatype_enum
    return made


def inputs(**values: Any) -> dict[str, Any]:
    return {name: tf.make_tensor_proto(value) for name, value in values.items()}


def test_a_request_becomes_feeds_and_fetches(signature: Any) -> None:
    arrays = arrays_of_request(signature, inputs(text=["one", "three"], k=[1, 2]))
    plan = make_plan(signature, arrays)
    assert {name: array.tolist() for name, array in plan.feeds.items()} == {
        "feed_text:0": [b"one", b"three"],
        "feed_k:0": [1, 2],
    }
    assert (plan.aliases, plan.fetches) == (["a", "b"], ["fetch_a:0", "fetch_b:0"])
    assert plan.dtypes == [1, 1]
    assert plan.size == len("one") + len("three") + 2 * 8 + 2 * 4
    assert make_plan(signature, arrays, ["b", "a"]).fetches == plan.fetches
    assert make_plan(signature, arrays, ["b"]).fetches == ["fetch_b:0"]


def test_a_missing_input_is_its_default(signature: Any) -> None:
    signature.defaults["k"].CopyFrom(tf.make_tensor_proto([7, 8]))
    arrays = arrays_of_request(signature, inputs(text=["a"]))
    assert arrays["k"].tolist() == [7, 8]
    with pytest.raises(StatusError, match="text.*not found in request and no default value"):
        arrays_of_request(signature, inputs(k=[1, 2]))


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"text": ["a"]}, r"1!=2 .* Missing but required: \{k\}"),
        ({"text": ["a"], "k": [1, 2], "z": [1]}, r"3!=2 .* Sent extra: \{z\}"),
        ({"text": ["a"], "z": [1, 2]}, "k.*not found in request"),
        ({"text": ["a"], "k": [1.0, 2.0]}, r"Expects arg\[0\] to be int32 but float is provided"),
        ({"text": [1], "k": [1, 2]}, r"Expects arg\[1\] to be string but int32 is provided"),
        ({"text": ["a"], "k": [1, 2, 3]}, r"Cannot feed input k of shape \[3\].*is \[2\]"),
        ({"text": "a", "k": [1, 2]}, r"Cannot feed input text of shape \[\].*is \[-1\]"),
    ],
)
def test_inputs_that_do_not_fit(signature: Any, sent: dict[str, Any], message: str) -> None:
    with pytest.raises(StatusError, match=message) as error:
        make_plan(signature, arrays_of_request(signature, inputs(**sent)))
    assert error.value.code == "INVALID_ARGUMENT"


def test_outputs_and_signatures_that_are_not_there(signature: Any) -> None:
    arrays = {"text": np.array([b"a"], object), "k": np.array([1, 2], np.int32)}
    with pytest.raises(StatusError, match="alias not found in signature: c"):
        make_plan(signature, arrays, ["a", "c"])
    with pytest.raises(StatusError, match="duplicate output tensor alias: a"):
        make_plan(signature, arrays, ["a", "b", "a"])
    meta_graph = meta_graph_pb2.MetaGraphDef()
    meta_graph.signature_def["serving_default"].CopyFrom(signature)
    servable = Servable("m", 1, None, meta_graph)
    assert find_signature(servable, "") == ("serving_default", signature)
    with pytest.raises(StatusError, match='key "other" not found') as error:
        find_signature(servable, "other")
    assert error.value.code == "FAILED_PRECONDITION"
