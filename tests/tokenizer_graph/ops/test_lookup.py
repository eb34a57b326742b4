"""Hash tables against dictionaries."""

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.tokenizer_graph.ops.lookup import IntegerTable, WordTable


@pytest.mark.parametrize("known", [{}, {5: 50, -7: 0, 1 << 60: 3}])
def test_integers(known: dict[int, int]) -> None:
    table = IntegerTable(list(known), list(known.values()), -9)
    asked = np.array([[5, -7, 1 << 60], [6, -1, 0]])
    got = table(tf.constant(asked, tf.int64))
    assert got.dtype == tf.int64 and got.shape == (2, 3)
    assert got.numpy().tolist() == [[known.get(k, -9) for k in row] for row in asked.tolist()]


@pytest.mark.parametrize("known", [{}, {b"a": 4, "é".encode(): 0, b"\xff\x00": 7}])
def test_words(known: dict[bytes, int]) -> None:
    asked = [b"a", "é".encode(), b"\xff\x00", b"\xff", b""]
    got = WordTable(known)(tf.constant(asked))
    assert got.dtype == tf.int32
    assert got.numpy().tolist() == [known.get(word, -1) for word in asked]
