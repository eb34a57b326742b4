"""The gRPC interface, through TensorFlow Serving's own stubs and messages."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.serve.fixtures import ONE_MASK, TWO_MASKS, Address


@pytest.fixture(scope="module")
def stub(toy_server: Address) -> Any:
    with grpc.insecure_channel(toy_server.grpc) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(toy_server: Address) -> Any:
    with grpc.insecure_channel(toy_server.grpc) as channel:
        yield model_service_pb2_grpc.ModelServiceStub(channel)


def request(signature: str = "", **inputs: Any) -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "mlm"
    message.model_spec.signature_name = signature
    for name, value in inputs.items():
        dtype = tf.int32 if name == "top_k" else None
        message.inputs[name].CopyFrom(tf.make_tensor_proto(value, dtype=dtype))
    return message


def failure(call: Any, message: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as info:
        call(message, timeout=30, **options)
    return info.value.code().name, info.value.details()


def test_predict_gives_what_the_saved_model_gives(stub: Any, reference: Any) -> None:
    texts = [ONE_MASK, TWO_MASKS]
    reply = stub.Predict(request(text=texts), timeout=30)
    expected = reference(2, "serving_default", text=texts)
    assert set(reply.outputs) == set(expected)
    for name, array in expected.items():
        got = tf.make_ndarray(reply.outputs[name])
        assert got.dtype == array.dtype and got.tolist() == array.tolist()
    spec = reply.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("mlm", 2, "serving_default")
    # AsProtoField, as TensorFlow Serving does by default
    assert reply.outputs["score"].float_val and not reply.outputs["score"].tensor_content


def test_version_label_and_output_filter(stub: Any, reference: Any) -> None:
    message = request("fill_mask_top_k", text=[ONE_MASK], top_k=[2])
    message.model_spec.version_label = "stable"
    message.output_filter.extend(["token_str", "score"])
    reply = stub.Predict(message, timeout=30)
    expected = reference(1, "fill_mask_top_k", text=[ONE_MASK], top_k=[2])
    assert reply.model_spec.version.value == 1
    assert set(reply.outputs) == {"score", "token_str"}
    for name in reply.outputs:
        assert tf.make_ndarray(reply.outputs[name]).tolist() == expected[name].tolist()


def test_every_signature_answers(stub: Any) -> None:
    ids = np.array([[4, 0, 2], [1, 1, 1]], np.int32)
    reply = stub.Predict(request("fill_mask_ids", input_ids=ids, attention_mask=ids * 0 + 1))
    assert tf.make_ndarray(reply.outputs["token"]).tolist() == [[[0]], [[0]]]
    reply = stub.Predict(request("tokenize", text=["city heart", "soul"]))
    assert tf.make_ndarray(reply.outputs["attention_mask"]).tolist() == [[1, 1], [1, 0]]


def test_an_empty_batch(stub: Any) -> None:
    reply = stub.Predict(request(text=np.array([], object)))
    assert tf.make_ndarray(reply.outputs["status"]).shape == (0,)


def test_errors_of_predict(stub: Any) -> None:
    assert failure(stub.Predict, predict_pb2.PredictRequest()) == (
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    )
    message = request(text=["a"])
    message.model_spec.name = ""
    assert failure(stub.Predict, message)[1] == "ModelSpec has no name specified."
    message.model_spec.name = "other"
    assert failure(stub.Predict, message) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(other)",
    )
    message.model_spec.name = "mlm"
    message.model_spec.version.value = 12
    assert failure(stub.Predict, message) == (
        "NOT_FOUND",
        "Servable not found for request: Specific(mlm, 12)",
    )
    message.model_spec.version_label = "nobody"
    assert failure(stub.Predict, message) == (
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: nobody",
    )
    assert failure(stub.Predict, request("nope", text=["a"])) == (
        "FAILED_PRECONDITION",
        'Serving signature key "nope" not found.',
    )
    assert failure(stub.Predict, request("fill_mask_top_k", text=["a"])) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({text}) != len({text,top_k}). "
        "Sent extra: {}. Missing but required: {top_k}.",
    )
    assert failure(stub.Predict, request(words=["a"]))[1].startswith(
        "Signature input alias: text(feed name: "
    )
    message = request(text=["a"])
    message.output_filter.append("nope")
    assert failure(stub.Predict, message)[1] == (
        "output tensor alias not found in signature: nope Outputs expected to be in the set "
        "{filled,mask_count,score,sequence,status,token,token_str}."
    )
    message.output_filter[:] = ["score", "score"]
    assert failure(stub.Predict, message)[1] == "duplicate output tensor alias: score"


def test_tensors_that_do_not_fit(stub: Any) -> None:
    assert failure(stub.Predict, request(text=[1.0])) == (
        "INVALID_ARGUMENT",
        "Expects arg[0] to be string but float is provided",
    )
    code, text = failure(stub.Predict, request(text=[["a"]]))
    assert code == "INVALID_ARGUMENT" and "shape [1, 1]" in text
    message = request(text=["a"])
    message.inputs["text"].tensor_shape.dim[0].size = -5
    assert failure(stub.Predict, message)[1] == "tensor parsing error: text"
    message.inputs["text"].tensor_shape.dim[0].size = 1 << 50  # a few bytes that mean petabytes
    assert "at most" in failure(stub.Predict, message)[1]
    message.inputs["text"].tensor_shape.dim[0].size = 51
    assert failure(stub.Predict, message)[1] == (
        "Task size 51 is larger than maximum batch size 50"
    )
    big = request(text=["a" * 300_000])
    assert failure(stub.Predict, big)[0] == "RESOURCE_EXHAUSTED"


def test_deadlines(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as info:
        stub.Predict(request(text=["a [MASK]"] * 50), timeout=0.0005)
    assert info.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_calls_that_are_not_there(stub: Any) -> None:
    for call, message in (
        (stub.Classify, classification_pb2.ClassificationRequest()),
        (stub.Regress, regression_pb2.RegressionRequest()),
        (stub.MultiInference, inference_pb2.MultiInferenceRequest()),
    ):
        assert failure(call, message)[0] == "UNIMPLEMENTED"


def test_metadata(stub: Any, toy_versions: Any) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    message.model_spec.name = "mlm"
    message.model_spec.version.value = 1
    reply = stub.GetModelMetadata(message, timeout=30)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert reply.metadata["signature_def"].Unpack(found)
    file = saved_model_pb2.SavedModel.FromString(
        (toy_versions / "1" / "saved_model.pb").read_bytes()
    )
    assert dict(found.signature_def) == dict(file.meta_graphs[0].signature_def)
    assert reply.model_spec.version.value == 1
    message.metadata_field.append("else")
    assert failure(stub.GetModelMetadata, message)[1] == "Metadata field else is not supported"
    del message.metadata_field[:]
    assert "at least one metadata_field" in failure(stub.GetModelMetadata, message)[1]


def test_status(models: Any) -> None:
    message = get_model_status_pb2.GetModelStatusRequest()
    assert failure(models.GetModelStatus, message) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    message.model_spec.name = "mlm"
    reply = models.GetModelStatus(message, timeout=30)
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert [(s.version, s.state) for s in reply.model_version_status] == [
        (2, available),
        (1, available),
    ]
    message.model_spec.version.value = 9
    assert failure(models.GetModelStatus, message) == (
        "NOT_FOUND",
        "Could not find version 9 of model mlm",
    )


def test_bytes_that_are_no_message(toy_server: Address) -> None:
    with grpc.insecure_channel(toy_server.grpc) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as info:
            call(b"\xff\xff\xff", timeout=30)
        assert info.value.code() == grpc.StatusCode.INTERNAL
        assert info.value.details() == "Failed to parse PredictRequest"
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Nope")
        with pytest.raises(grpc.RpcError) as info:
            call(b"", timeout=30)
        assert info.value.code() == grpc.StatusCode.UNIMPLEMENTED
