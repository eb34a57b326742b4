"""The short notation gives the descriptors that protoc made of the same messages."""

from __future__ import annotations

import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

from tfmlm.descriptors import file_descriptor


def plain(message: descriptor_pb2.DescriptorProto) -> descriptor_pb2.DescriptorProto:
    """A message without the names in JSON, which protobuf works out by itself."""
    for field in message.field:
        field.ClearField("json_name")
    for inner in message.nested_type:
        plain(inner)
    return message


@pytest.mark.parametrize(
    ("real", "fields"),
    [
        (timestamp_pb2.Timestamp, ["1 int64 seconds", "2 int32 nanos"]),
        (field_mask_pb2.FieldMask, ["1 repeated string paths"]),
        (struct_pb2.Struct, ["1 map .google.protobuf.Value fields"]),
        (struct_pb2.ListValue, ["1 repeated .google.protobuf.Value values"]),
        (wrappers_pb2.DoubleValue, ["1 double value"]),
        (wrappers_pb2.FloatValue, ["1 float value"]),
        (wrappers_pb2.UInt32Value, ["1 uint32 value"]),
        (wrappers_pb2.BoolValue, ["1 bool value"]),
        (wrappers_pb2.BytesValue, ["1 bytes value"]),
    ],
)
def test_messages_of_protobuf_itself(real, fields: list[str]) -> None:
    expected = descriptor_pb2.DescriptorProto()
    real.DESCRIPTOR.CopyToProto(expected)
    made = file_descriptor("a.proto", "google.protobuf", {expected.name: fields})
    assert (made.syntax, made.package) == ("proto3", "google.protobuf")
    assert plain(made.message_type[0]) == plain(expected)


def test_nested_messages_and_imports_are_the_bytes_of_the_wire() -> None:
    pool = descriptor_pool.DescriptorPool()
    inner = file_descriptor("a.proto", "p", {"A": ["7 bool yes"]})
    outer = {"B": ["1 .p.B.C c", "2 map .p.A by_name"], "B.C": ["1 int64 n"]}
    pool.Add(inner)
    pool.Add(file_descriptor("b.proto", "p", outer, imports=["a.proto"]))
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("p.B"))
    message = kind()
    message.c.n = 5
    message.by_name["k"].yes = True
    assert message.SerializeToString() == b"\x0a\x02\x08\x05\x12\x07\x0a\x01k\x12\x02\x38\x01"
