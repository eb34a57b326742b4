"""Where a literal stands in texts, against Python's `re`."""

import re

import pytest
import tensorflow as tf

from tfmlm.tokenizer_graph.component import ROW, Tokens
from tfmlm.tokenizer_graph.paths.mask_spans import align, literal_spans

TEXTS = ["<m>", "", "a é<m>漢<m><m>", "<m", "x<m>y", "<<m>>"]


@pytest.mark.parametrize("content", ["<m>", "é", None])
def test_bytes_of_a_literal(content: str | None) -> None:
    span, splits = literal_spans(tf.constant(TEXTS), content)
    got = tf.RaggedTensor.from_row_splits(span, splits).to_list()
    found = content and content.encode()
    assert got == [
        [list(hit.span()) for hit in re.finditer(re.escape(found), t.encode())] if found else []
        for t in TEXTS
    ]


def test_a_row_whose_counts_differ_has_no_spans() -> None:
    # one mask in the first text and its ids; in the second the normalizer made one more
    raw = tf.constant([5, 99, ROW, 99, 6, ROW], tf.int32)
    tokens = Tokens(tf.constant([1, 8, 8, 8], tf.int32), tf.constant([0, 2, 4], tf.int64))
    found = align(
        raw,
        tf.constant([1, 3], tf.int64),
        tf.constant([[1, 4], [0, 3]], tf.int64),
        tokens,
        tf.constant([1, 2, 3], tf.int64),
        8,
    )
    assert found.span.numpy().tolist() == [[1, 4], [-1, -1], [-1, -1]]
    assert found.splits.numpy().tolist() == [0, 1, 3]
