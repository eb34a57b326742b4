"""What is counted from the bytes, against what Python's own parser finds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfmlm.serve import json_scan
from tfmlm.serve.json_scan import MAX_CONTAINERS, MAX_DEPTH, MAX_VALUES, JsonScan
from tfmlm.serve.status import StatusError

TEXTS = st.text('ab\\"[]{},:\n\u00e9', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=25,
)


def rows_of(document: Any) -> int:
    """Most elements of a container in the outermost object or list, and of a list in an object
    there."""
    rows = 1
    for value in document.values() if isinstance(document, dict) else document:
        if isinstance(value, list | dict):
            rows = max(rows, len(value))
        if isinstance(value, dict):
            rows = max([rows, *[len(v) for v in value.values() if isinstance(v, list)]])
    return rows


def accepts(body: bytes, most: int, piece: int) -> bool:
    scan = JsonScan(most)
    try:
        for at in range(0, len(body), piece):
            scan.feed(body[at : at + piece])
    except StatusError as error:
        assert f"is larger than maximum batch size {most}" in error.message
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(
    st.lists(VALUES, max_size=5) | st.dictionaries(TEXTS, VALUES, max_size=4),
    st.booleans(),
    st.integers(1, 9),
)
def test_rows_are_counted_as_a_parser_counts_them(value: Any, ascii_: bool, piece: int) -> None:
    body = json.dumps(value, ensure_ascii=ascii_).encode() + b" [[[],[],[],[],[],[],[],[]]]"
    rows = rows_of(value)
    assert accepts(body, rows, piece)
    if rows > 1:
        assert not accepts(body, rows - 1, piece)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"inputs": ' + b"[" * 70, "nested too deeply"),
        (b'{"inputs": [[' + b"1," * (MAX_VALUES + 1), f"more than {MAX_VALUES} values"),
        (b'{"inputs": [[' + b"[]," * (MAX_CONTAINERS + 1), "lists and objects"),
        (b'{"instances": [' + b'"",' * 1000, "Task size of at least 1001 is larger"),
        (b'{"inputs": {"text": [' + b'"",' * 1000, "Task size of at least 1001 is larger"),
        (b'{"inputs": {"a": [], "text": [' + b"[1,2]," * 1000, "Task size of at least 1001"),
    ],
)
def test_what_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(StatusError, match=message) as info:
        JsonScan(500).feed(body)
    assert info.value.code == "INVALID_ARGUMENT"


def test_depth_of_what_follows_or_is_in_strings_does_not_count() -> None:
    deep = "[" * (MAX_DEPTH + 10)
    JsonScan(1).feed(json.dumps({"inputs": [deep]}).encode() + deep.encode())


def test_pieces_are_small_enough_to_be_looked_at_between_others() -> None:
    assert json_scan._PIECE <= 1 << 16
