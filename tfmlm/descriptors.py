"""Builds protobuf file descriptors from a short notation, for messages without a .proto file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf import descriptor_pb2

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


def file_descriptor(
    name: str,
    package: str,
    messages: Mapping[str, Sequence[str]],
    imports: Sequence[str] = (),
) -> descriptor_pb2.FileDescriptorProto:
    """A proto3 file from `{message: ["NUMBER [repeated|map] TYPE NAME", ...]}`.

    Args:
        messages: keys are message names (`Outer.Inner` for a nested one, after its outer one);
            TYPE is a scalar type, or `.full.name` of a message; `map` has string keys.
        imports: names of files whose messages are used.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=name, package=package, syntax="proto3", dependency=imports
    )
    made: dict[str, descriptor_pb2.DescriptorProto] = {}
    for path, fields in messages.items():
        outer, _, short = path.rpartition(".")
        message = made[outer].nested_type.add() if outer else file.message_type.add()
        message.name = short
        made[path] = message
        for text in fields:
            _add_field(message, f".{package}.{path}", text)
    return file


def _add_field(message: descriptor_pb2.DescriptorProto, full_name: str, text: str) -> None:
    number, *label, kind, name = text.split()
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if label:
        field.label = _Field.LABEL_REPEATED
    if label == ["map"]:
        entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
        entry.options.map_entry = True
        _add_field(entry, full_name, "1 string key")
        _add_field(entry, full_name, f"2 {kind} value")
        kind = f"{full_name}.{entry.name}"
    if kind.startswith("."):
        field.type, field.type_name = _Field.TYPE_MESSAGE, kind
    else:
        field.type = _TYPES[kind]
