"""The client's own messages against the ones TensorFlow Serving ships."""

from __future__ import annotations

from operator import itemgetter

import pytest
from google.protobuf import wrappers_pb2
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow_serving.apis import get_model_status_pb2, model_pb2, predict_pb2, status_pb2

from tfmlm.client import protos
from tfmlm.client.dtypes import DataType

REAL = {
    "TensorProto": tensor_pb2.TensorProto,
    "TensorShapeProto": tensor_shape_pb2.TensorShapeProto,
    "TensorShapeProto.Dim": tensor_shape_pb2.TensorShapeProto.Dim,
    "Version": wrappers_pb2.Int64Value,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
    "StatusProto": status_pb2.StatusProto,
}


def own_descriptors():
    for file in ("tfmlm/client/tensor.proto", "tfmlm/client/serving.proto"):
        descriptor = protos._pool.FindFileByName(file)
        todo = list(descriptor.message_types_by_name.values())
        while todo:
            message = todo.pop()
            if message.GetOptions().map_entry:
                continue
            todo += message.nested_types
            yield message.full_name.removeprefix("tensorflow.").removeprefix("serving."), message


def wire_type(field):
    kind = field.type
    return field.TYPE_INT32 if kind == field.TYPE_ENUM else kind  # the same bytes


@pytest.mark.parametrize(
    ("name", "own"),
    sorted(own_descriptors(), key=itemgetter(0)),
    ids=lambda value: getattr(value, "name", value),
)
def test_fields_are_those_of_the_real_message(name, own) -> None:
    real = REAL[name].DESCRIPTOR
    for field in own.fields:
        twin = real.fields_by_name[field.name]
        assert (field.number, wire_type(field)) == (twin.number, wire_type(twin))
        assert (field.is_repeated, field.is_packed) == (twin.is_repeated, twin.is_packed)
        if field.message_type and name != "ModelSpec":
            assert field.message_type.name == twin.message_type.name


def test_every_message_is_compared() -> None:
    assert {name for name, _ in own_descriptors()} == set(REAL)


def test_a_request_reads_as_the_real_one() -> None:
    own = protos.PredictRequest(output_filter=["score"])
    own.model_spec.name = "mlm"
    own.model_spec.version.value = 3
    own.model_spec.signature_name = "fill_mask_top_k"
    own.inputs["top_k"].dtype = DataType.INT32
    own.inputs["top_k"].int_val.extend([1, -2])
    own.inputs["top_k"].tensor_shape.dim.add(size=2)
    real = predict_pb2.PredictRequest.FromString(own.SerializeToString())
    assert real.model_spec.version.value == 3
    assert list(real.inputs["top_k"].int_val) == [1, -2]
    assert real.inputs["top_k"].dtype == 3
    assert list(real.output_filter) == ["score"]
    back = protos.PredictRequest.FromString(real.SerializeToString())
    assert back == own
