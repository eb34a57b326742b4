"""Fields of a PredictRequest are counted before it is parsed."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2

from tfmlm.serve.message_scan import MAX_FIELDS, scan_predict_request
from tfmlm.serve.status import StatusError


def request() -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest(output_filter=["a", "b"])
    message.model_spec.name = "mlm"
    message.inputs["text"].dtype = 7
    return message


def test_fields_that_are_many_for_their_bytes_are_refused() -> None:
    strings, dims, numbers, filters, inputs = (request() for _ in range(5))
    strings.inputs["text"].string_val.extend([b""] * (MAX_FIELDS + 1))
    for _ in range(MAX_FIELDS + 1):
        dims.inputs["text"].tensor_shape.dim.add()
    filters.output_filter.extend([""] * (MAX_FIELDS + 1))
    for number in range(MAX_FIELDS // 3):
        inputs.inputs[str(number)].dtype = 1
    numbers.inputs["text"].int_val.extend([1] * MAX_FIELDS)
    for message in (strings, dims, filters, inputs):
        body = message.SerializeToString()
        with pytest.raises(StatusError, match=f"more than {MAX_FIELDS} fields"):
            scan_predict_request(body)
    scan_predict_request(numbers.SerializeToString())  # packed: one field
    # the same numbers, one field each
    unpacked = b"\x38\x01" * (MAX_FIELDS + 1)
    tensor = b"\x12" + varint(len(unpacked)) + unpacked
    with pytest.raises(StatusError, match="fields"):
        scan_predict_request(b"\x12" + varint(len(tensor)) + tensor)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_messages_that_protobuf_reads_are_accepted_and_others_are_not() -> None:
    body = request().SerializeToString()
    scan_predict_request(body)
    scan_predict_request(b"")
    for broken in (body[:-1], b"\x0b\x0c", b"\x12\xff\xff\xff\xff\x0f", b"\xff" * 20):
        with pytest.raises(DecodeError):
            scan_predict_request(broken)
