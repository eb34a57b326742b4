"""Splitting at members of a set equals Rust's Split at a class, with every behaviour."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Regex, pre_tokenizers

from tfmlm.tokenizer_graph.ops.text import cut_words, decode_rows, encode_words
from tfmlm.tokenizer_graph.pre_tokenizers.by_member import SplitAtMembers

TEXT = "a1b22c333,d4e,,5"
RUST = {
    "Removed": "removed",
    "Isolated": "isolated",
    "MergedWithPrevious": "merged_with_previous",
    "MergedWithNext": "merged_with_next",
    "Contiguous": "contiguous",
}


@pytest.mark.parametrize(("behavior", "invert"), itertools.product(RUST, (False, True)))
def test_words(behavior: str, invert: bool) -> None:
    split = SplitAtMembers(np.array([*map(ord, "0123456789,")]), behavior, invert)
    stream = decode_rows(tf.constant([TEXT]))
    words = cut_words(*split(stream, tf.fill(tf.shape(stream), False)))
    got = [w.decode() for w in encode_words(words.codepoints, words.splits).numpy()]
    rust = pre_tokenizers.Split(Regex("[0-9,]"), RUST[behavior], invert)
    assert got == [word for word, _ in rust.pre_tokenize_str(TEXT)]
