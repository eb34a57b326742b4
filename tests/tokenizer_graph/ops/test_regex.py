"""Matching over a stream against Python's `re`, word by word."""

import re

import pytest
import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, ROW
from tfmlm.tokenizer_graph.ops.regex import (
    RegexMatcher,
    boundaries,
    following_true,
    last_true,
    rust_class,
)
from tfmlm.tokenizer_graph.spec.patterns import parse

WORDS = ["abcabd", "aaa", "b", "xab\ny1", "12ab34", "a1b22c333", "cab", "__a b"]
EXPRESSIONS = [
    *(
        "ab|a",
        "a|ab",
        "[ab]+c",
        "[ab]+?b",
        r"\w+(?=\d)",
        "(?<=a)b",
        r"a$",
        r"^a",
        r"\ba",
        r"\d{2,3}",
    ),
    *(r"[a-z]*\d", "(?:ab)?c", "(?i:A)b", "(?!ab)[a-z]", "a{2}", r"[^a]+$"),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_matches_of_python(expression: str) -> None:
    stream, words = [], []
    for word in WORDS:
        words.append(len(stream))
        stream += [*map(ord, word), GAP]
    starts = tf.constant([k in words for k in range(len(stream))])
    matcher = RegexMatcher(parse(expression))
    first, last = matcher(tf.constant(stream, tf.int32), starts)
    want = [
        (at + found.start(), at + found.end())
        for at, word in zip(words, WORDS, strict=True)
        for found in re.finditer(expression, word)
        if found.end() > found.start()
    ]
    assert list(zip(first.numpy().tolist(), last.numpy().tolist(), strict=True)) == want


def test_positions() -> None:
    stream = tf.constant([*map(ord, "ab1c"), ROW], tf.int32)
    none = tf.fill([5], False)
    got = RegexMatcher(parse(r"(?<=[a-z])(?=\d)")).positions(stream, none)
    assert got.numpy().tolist() == [False, False, True, False, False]


def test_classes_are_asked_of_rust() -> None:
    assert rust_class("[a-cé]").tolist() == [97, 98, 99, 233]
    assert {0x20, 0x85, 0x3000} < set(rust_class(r"\s").tolist())


def test_helpers() -> None:
    flags = tf.constant([False, True, False, False, True, False])
    assert following_true(flags).numpy().tolist() == [1, 4, 4, 4, 6, 6]
    assert last_true(flags).numpy().tolist() == [-1, 1, 1, 1, 4, 4]
    stream = tf.constant([97, GAP, 98, 99, ROW], tf.int32)
    begun = tf.constant([False, False, False, True, False])
    assert boundaries(stream, begun).numpy().tolist() == [True] * 5
    assert boundaries(stream, tf.fill([5], False)).numpy().tolist() == [True] * 3 + [False, True]
