"""The messages have the numbers and types of TensorFlow's own."""

import pytest
from google.protobuf import descriptor_pb2
from tensorflow.core.protobuf import config_pb2, saved_model_pb2

from tfmlm.export.session import messages

_LABEL = descriptor_pb2.FieldDescriptorProto


def fields(descriptor, seen):
    """(message, field) -> (number, type, repeated) of a message and of all that it holds."""
    if descriptor.full_name in seen:
        return
    seen[descriptor.full_name] = {
        field.name: (field.number, field.type, field.is_repeated) for field in descriptor.fields
    }
    for field in descriptor.fields:
        if field.message_type:
            fields(field.message_type, seen)


@pytest.mark.parametrize(
    ("own", "real"),
    [
        (messages.SavedModel, saved_model_pb2.SavedModel),
        (messages.ConfigProto, config_pb2.ConfigProto),
    ],
)
def test_fields(own, real):
    ours, theirs = {}, {}
    fields(own.DESCRIPTOR, ours)
    fields(real.DESCRIPTOR, theirs)
    enums = {
        ("tensorflow.TensorInfo", "dtype"),
        ("tensorflow.OptimizerOptions", "opt_level"),
        ("tensorflow.RewriterConfig", "memory_optimization"),
    }
    for name, known in ours.items():
        for field, (number, kind, repeated) in known.items():
            expected = theirs[name][field]
            if (name, field) in enums:
                assert (kind, expected[1]) == (_LABEL.TYPE_INT32, _LABEL.TYPE_ENUM)
                kind = _LABEL.TYPE_ENUM
            assert (number, kind, repeated) == expected, (name, field)
