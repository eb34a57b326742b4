"""Strings to the stream and back."""

import tensorflow as tf

from tfmlm.tokenizer_graph.component import ADDED, GAP, ROW
from tfmlm.tokenizer_graph.hostile import invalid_utf8
from tfmlm.tokenizer_graph.ops.text import (
    cut_words,
    decode_rows,
    decode_rows_with_offsets,
    encode_words,
    insert_barriers,
)

TEXTS = [b"", "aé漢😀".encode(), b"\n", b"\x00", *invalid_utf8(1, 40, ["aé漢", "x😀y"])]


def test_rows_as_python_decodes_them() -> None:
    want = [c for text in TEXTS for c in [*map(ord, text.decode("utf-8", "replace")), ROW]]
    assert decode_rows(tf.constant(TEXTS)).numpy().tolist() == want
    stream, starts = decode_rows_with_offsets(tf.constant(TEXTS[:2]))
    assert stream.numpy().tolist() == [ROW, 97, 0xE9, 0x6F22, 0x1F600, ROW]
    assert starts.numpy().tolist() == [0, 0, 1, 3, 6, 10]


def test_words_are_cut_at_flags_and_barriers_and_come_back_with_their_ids() -> None:
    stream = tf.constant([97, 98, GAP, 99, ADDED + 1, 100, ROW, ADDED, ROW, ROW], tf.int32)
    starts = tf.constant([False, True, *[False] * 8])
    words = cut_words(stream, starts)
    assert encode_words(words.codepoints, words.splits).numpy().tolist() == [b"a", b"b", b"c", b"d"]
    assert words.barriers.numpy().tolist() == [ADDED + 1, ROW, ADDED, ROW, ROW]
    assert words.words_before.numpy().tolist() == [3, 4, 4, 4, 4]
    assert words.positions.numpy().tolist() == [0, 1, 3, 5]
    assert words.barrier_positions.numpy().tolist() == [4, 6, 7, 8, 9]
    # the model makes two tokens of the second word, none of the third
    ids, splits = tf.constant([1, 2, 3, 4], tf.int32), tf.constant([0, 1, 3, 3, 4], tf.int64)
    tokens, places = insert_barriers(words, ids, splits, tf.constant([50, 51, 0], tf.int32))
    assert tokens.ids.numpy().tolist() == [1, 2, 3, 51, 4, 50]
    assert tokens.splits.numpy().tolist() == [0, 5, 6, 6]
    assert places.numpy().tolist() == [3, 5, 5, 6, 6]
