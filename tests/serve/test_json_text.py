"""JSON as TensorFlow Serving reads it and shows it in errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfmlm.serve.json_text import debug_text, parse_json, type_word
from tfmlm.serve.status import StatusError


def test_debug_text() -> None:
    # RapidJSON indents by all levels, arrays too, though these are on one line
    assert debug_text({"a": [1, {"b": None}], "c": {}}) == (
        '{\n    "a": [1, {\n            "b": null\n        }],\n    "c": {}\n}'
    )
    assert debug_text("ü") == '"ü"'
    assert len(debug_text(["x" * 50] * 100)) < 320


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25)
@given(VALUES, st.sampled_from(["", " \r\n\t", "\ufeff"]), st.sampled_from(["", " x", "]", "{"]))
def test_the_first_value_is_what_json_reads(value: object, before: str, behind: str) -> None:
    text = json.dumps(value, ensure_ascii=False)
    behind = " " + behind if behind else ""
    assert parse_json((before + text + behind).encode()) == value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        ('{"ü" 1}'.encode(), "Missing a colon after a name of object member. at offset: 6"),
        (b'["a\xff"]', "Invalid encoding in string. at offset: 3"),
        (rb'["\ud800"]', "The surrogate pair in string is invalid. at offset: 0"),
        (b"[" * 5000 + b"]" * 5000, "nested too deeply"),
    ],
)
def test_what_is_refused_and_where(body: bytes, message: str) -> None:
    with pytest.raises(StatusError) as error:
        parse_json(body)
    assert error.value.code == "INVALID_ARGUMENT"
    assert error.value.message == f"JSON Parse error: {message}"


def test_types_have_rapidjsons_names() -> None:
    words = [type_word(value) for value in (None, True, False, {}, [], "", 0, 1.5)]
    assert words == ["Null", "True", "False", "Object", "Array", "String", "Number", "Number"]
