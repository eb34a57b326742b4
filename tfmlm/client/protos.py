"""The few TensorFlow Serving messages a client needs, without importing TensorFlow.

`tensorflow_serving.apis` imports the whole of TensorFlow for two message types. The messages below
have the same field numbers, types and full names, so they are the same bytes on the wire. They are
described here and compiled by protobuf when this module is imported, in a descriptor pool of their
own: in a process that does import TensorFlow, the two sets live side by side.

Sources of the numbers: `tensorflow/core/framework/{tensor,tensor_shape,types}.proto` and
`tensorflow_serving/apis/{model,predict,get_model_status,status}.proto`.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tfmlm.descriptors import file_descriptor

_TENSOR = {
    "TensorShapeProto": ["2 repeated .tensorflow.TensorShapeProto.Dim dim", "3 bool unknown_rank"],
    "TensorShapeProto.Dim": ["1 int64 size", "2 string name"],
    "TensorProto": [
        "1 int32 dtype",  # an enum in types.proto: the same bytes on the wire
        "2 .tensorflow.TensorShapeProto tensor_shape",
        "3 int32 version_number",
        "4 bytes tensor_content",
        "5 repeated float float_val",
        "6 repeated double double_val",
        "7 repeated int32 int_val",
        "8 repeated bytes string_val",
        "10 repeated int64 int64_val",
        "11 repeated bool bool_val",
    ],
}

_SERVING = {
    "Version": ["1 int64 value"],  # google.protobuf.Int64Value
    "ModelSpec": [
        "1 string name",
        "2 .tensorflow.serving.Version version",
        "3 string signature_name",
        "4 string version_label",
    ],
    "PredictRequest": [
        "1 .tensorflow.serving.ModelSpec model_spec",
        "2 map .tensorflow.TensorProto inputs",
        "3 repeated string output_filter",
    ],
    "PredictResponse": [
        "1 map .tensorflow.TensorProto outputs",
        "2 .tensorflow.serving.ModelSpec model_spec",
    ],
    "GetModelStatusRequest": ["1 .tensorflow.serving.ModelSpec model_spec"],
    "StatusProto": ["1 int32 error_code", "2 string error_message"],
    "ModelVersionStatus": [
        "1 int64 version",
        "2 int32 state",
        "3 .tensorflow.serving.StatusProto status",
    ],
    "GetModelStatusResponse": [
        "1 repeated .tensorflow.serving.ModelVersionStatus model_version_status"
    ],
}

_pool = descriptor_pool.DescriptorPool()
_files: list[descriptor_pb2.FileDescriptorProto] = [
    file_descriptor("tfmlm/client/tensor.proto", "tensorflow", _TENSOR),
    file_descriptor(
        "tfmlm/client/serving.proto",
        "tensorflow.serving",
        _SERVING,
        imports=("tfmlm/client/tensor.proto",),
    ),
]
for _file in _files:
    _pool.Add(_file)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


TensorProto = _message("tensorflow.TensorProto")
PredictRequest = _message("tensorflow.serving.PredictRequest")
PredictResponse = _message("tensorflow.serving.PredictResponse")
GetModelStatusRequest = _message("tensorflow.serving.GetModelStatusRequest")
GetModelStatusResponse = _message("tensorflow.serving.GetModelStatusResponse")
