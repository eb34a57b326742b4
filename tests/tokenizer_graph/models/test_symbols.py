"""The first symbols of words equal the ids of a BPE model that has no merges."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import models

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.models._symbols import (
    UNKNOWN,
    UTF8_BYTES,
    InitialSymbols,
    byte_token,
    byte_tokens,
)

WORDS = ["a", "b", "ab", "aba", "é", "aé漢", "漢é漢b", "xx", "axxb", "\U0001f600", "bé"]
AFFIXES = [("", ""), ("##", ""), ("", "</w>"), ("#", "$")]


@pytest.mark.parametrize(("prefix", "suffix"), AFFIXES)
@pytest.mark.parametrize("unknown", [None, "?"])
def test_as_rust_without_merges(prefix: str, suffix: str, unknown: str | None) -> None:
    tokens = ["?", "a", "b", prefix + "a", "b" + suffix, prefix + "b" + suffix, prefix + "é"]
    for fuse, fallback in itertools.product((False, True), repeat=2):
        held = [*map(byte_token, range(256)), *tokens] if fallback else tokens
        vocab = {token: k for k, token in enumerate(dict.fromkeys(held))}
        affixes = {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}
        rust = models.BPE(
            vocab,
            [],
            unk_token=unknown,
            fuse_unk=fuse,
            byte_fallback=fallback,
            **{name: value for name, value in affixes.items() if value},
        )
        separator = len(vocab)
        symbols = InitialSymbols(vocab, separator, unknown, fuse, fallback, prefix, suffix)
        stream, want = [GAP], [separator]
        for word in WORDS:
            stream += [*map(ord, word), GAP]
            want += [*(token.id for token in rust.tokenize(word)), separator]
        got = symbols(tf.constant(stream, tf.int32)).numpy().tolist()
        assert got == want, (fuse, fallback)


def test_byte_tokens_are_all_of_utf8_or_none() -> None:
    written = {
        byte for c in range(0x110000) if not 0xD800 <= c < 0xE000 for byte in chr(c).encode()
    }
    assert {*UTF8_BYTES} == written
    assert byte_tokens({"a": 0}) is None
    vocab = {byte_token(byte): 300 - byte for byte in written}
    want = [300 - byte if byte in written else UNKNOWN for byte in range(256)]
    np.testing.assert_array_equal(byte_tokens(vocab), want)
    del vocab["<0xA9>"]
    with pytest.raises(UnsupportedTokenizerError, match="<0xA9>"):
        byte_tokens(vocab)
