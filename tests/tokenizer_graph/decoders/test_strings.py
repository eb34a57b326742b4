"""String operations of decoders beside transformers', Python's and Rust's."""

import pytest
import tensorflow as tf
from tokenizers import decoders
from transformers import PreTrainedTokenizerBase

from tfmlm.tokenizer_graph.decoders.strings import (
    byte_of,
    clean_up_spaces,
    join_rows,
    replace_all,
    replace_invalid,
)
from tfmlm.tokenizer_graph.hostile import invalid_utf8


def test_clean_up_is_that_of_transformers() -> None:
    texts = ["a . b ? c ! d , e ' f n't 'm 's 've 're", " .", "do n't , ' s", "x  ' ' y", ""]
    want = [PreTrainedTokenizerBase.clean_up_tokenization(text) for text in texts]
    assert [t.decode() for t in clean_up_spaces(tf.constant(texts)).numpy()] == want


@pytest.mark.parametrize(("found", "put"), [("a", "\\1"), (".*", "$1"), ("é漢", ""), ("\\", "[")])
def test_replacements_are_literal(found: str, put: str) -> None:
    texts = [f"x{found}y{found}{found}", "plain", ".*", "aaa\\"]
    got = replace_all(tf.constant(texts), found, put).numpy()
    assert [t.decode() for t in got] == [t.replace(found, put) for t in texts]


def test_rows_are_joined() -> None:
    got = join_rows(tf.constant(["a", "b", "c"]), tf.constant([0, 0, 2, 2, 3], tf.int64))
    assert got.numpy().tolist() == [b"", b"ab", b"", b"c"]


def test_invalid_bytes_as_in_python() -> None:
    texts = invalid_utf8(2, 60, ["aé漢😀"])
    want = [text.decode("utf-8", "replace").encode() for text in texts]
    assert replace_invalid(tf.constant(texts)).numpy().tolist() == want


BYTES = ["<0x41>", "<0x7a>", "<0x+1>", "<0x4>", "<0x411>", "0x41", "<0xGG>"]


@pytest.mark.parametrize("token", BYTES)
def test_a_byte_where_rust_sees_one(token: str) -> None:
    decoded = decoders.ByteFallback().decode([token])
    byte = byte_of(token)
    assert decoded == (token if byte is None else chr(byte))
