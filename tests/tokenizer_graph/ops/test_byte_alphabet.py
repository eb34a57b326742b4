"""The byte alphabet beside the Rust library's."""

import tensorflow as tf
from tokenizers import pre_tokenizers

from tfmlm.tokenizer_graph.component import GAP, ROW
from tfmlm.tokenizer_graph.ops.byte_alphabet import ByteAlphabet, byte_characters, utf8_lengths

TEXTS = ("plain", "é漢😀 x", "\x00\x7f\x80", "a\U0010ffffb", "")


def _stream(text: str) -> tf.Tensor:
    return tf.constant([*map(ord, text), ROW], tf.int32)


def test_every_byte_has_the_character_that_rust_gives_it() -> None:
    assert sorted(map(chr, byte_characters())) == sorted(pre_tokenizers.ByteLevel.alphabet())
    rust = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in TEXTS[:-1]:
        ((spelled, _),) = rust.pre_tokenize_str(text)
        got = ByteAlphabet()(_stream(text)).numpy().tolist()
        assert "".join(map(chr, got[:-1])) == spelled and got[-1] == ROW


def test_flags_go_to_the_first_byte_and_sources_to_all() -> None:
    stream = tf.constant([ord("é"), GAP, ord("漢"), ord("a"), ROW], tf.int32)
    flags = tf.constant([True, False, True, False, False])
    values, moved, sources = ByteAlphabet().with_sources(stream, flags)
    assert sources.numpy().tolist() == [0, 0, 1, 2, 2, 2, 3, 4]
    assert moved.numpy().tolist() == [True, *[False] * 2, True, *[False] * 4]
    assert values.numpy()[2] == GAP and values.numpy()[-1] == ROW


def test_lengths_are_those_of_utf8() -> None:
    text = "a\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff"
    got = utf8_lengths(_stream(text)).numpy().tolist()
    assert got == [*(len(c.encode()) for c in text), 1]
