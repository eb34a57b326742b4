"""Splitting at matches of one and more characters equals Rust's, with every behaviour."""

import itertools
import re

import pytest
import tensorflow as tf
from tokenizers import Regex, pre_tokenizers

from tfmlm.tokenizer_graph.ops.text import cut_words, decode_rows, encode_words
from tfmlm.tokenizer_graph.pre_tokenizers.split_at import flags_of_single, flags_of_spans, split_at

TEXT = "aaaabxaa yybbaaaz"
RUST = {
    "Removed": "removed",
    "Isolated": "isolated",
    "MergedWithPrevious": "merged_with_previous",
    "MergedWithNext": "merged_with_next",
    "Contiguous": "contiguous",
}


def _flags(pattern: str) -> tuple[tf.Tensor, tf.Tensor]:
    spans = [found.span() for found in re.finditer(pattern, TEXT)]
    starts, ends = (tf.constant(bound, tf.int64) for bound in zip(*spans, strict=True))
    return flags_of_spans(tf.constant(len(TEXT) + 1, tf.int64), starts, ends)


@pytest.mark.parametrize(("behavior", "invert"), itertools.product(RUST, (False, True)))
def test_words(behavior: str, invert: bool) -> None:
    stream = decode_rows(tf.constant([TEXT]))
    for pattern in ("aa|b", "a", "y+z?", "(?:xa|aab)"):
        none = tf.fill(tf.shape(stream), False)
        words = cut_words(*split_at(stream, none, *_flags(pattern), behavior, invert))
        got = [w.decode() for w in encode_words(words.codepoints, words.splits).numpy()]
        rust = pre_tokenizers.Split(Regex(pattern), RUST[behavior], invert)
        assert got == [word for word, _ in rust.pre_tokenize_str(TEXT)], pattern


def test_single_characters_are_spans_of_one() -> None:
    inside, firsts = _flags("[ab]")
    assert inside.numpy().tolist() == [c in "ab" for c in TEXT] + [False]
    assert flags_of_single(inside).numpy().tolist() == firsts.numpy().tolist()
