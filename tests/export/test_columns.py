"""Texts as people have them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from tfmlm.errors import UserError
from tfmlm.export.columns import NotText, describe, one_text, rows

TEXTS = ["a", None, "é"]
WANT = [b"a", None, "é".encode()]


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        (text for text in TEXTS),
        np.array(TEXTS, object),
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype="string"),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
        pa.array(TEXTS).dictionary_encode(),
        [b"a", float("nan"), bytearray("é".encode())],
        [np.str_("a"), pd.NaT, memoryview("é".encode())],
    ],
    ids=lambda column: type(column).__name__,
)
def test_columns(column) -> None:
    assert not one_text(column)
    assert list(rows(column)) == WANT


def test_tensors() -> None:
    texts = tf.constant(["a", "é"])
    for column in (texts, list(texts), tf.data.Dataset.from_tensor_slices(texts)):
        assert not one_text(column)
        assert list(rows(column)) == [b"a", "é".encode()]


@pytest.mark.parametrize(
    "text",
    ["a", b"a", bytearray(b"a"), np.array("a"), np.array(b"a"), pa.scalar("a"), tf.constant("a")],
)
def test_one_text(text) -> None:
    assert one_text(text) and list(rows(text)) == [b"a"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array([1.5, 2.0]), "texts are numbers"),
        (pa.array([1]), "of Arrow's type int64"),
        (pd.DataFrame({"text": ["a"]}), "is a DataFrame; give one column"),
        ({"text": ["a"]}, "is a dict"),
        (np.array([["a"]]), "2 dimensions"),
        (7, "Received: int"),
        (tf.constant([1, 2]), "texts are numbers"),
        (tf.constant([["a"]]), "2 dimensions"),
    ],
)
def test_what_is_no_column(given, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(rows(given))


def test_a_row_that_is_no_text_says_so() -> None:
    assert list(rows(np.array([np.nan, np.nan]))) == [None, None]
    (row,) = rows([3])
    assert isinstance(row, NotText) and describe(row) == "is of type int, not a text"
    assert describe(None) == "is missing (None or NaN)"
    assert list(rows(["\ud800"])) == [b"?"]
