"""Expressions for RE2 match what they are made of, and nothing else."""

import string

import tensorflow as tf

from tfmlm.tokenizer_graph.ops.re2 import character_class, literal

TEXTS = [*string.punctuation, *"aZ0é漢😀", "a+", ".*", "\\d", "\x00", " ", "\n", "-]", "[^a]"]


def test_a_literal_matches_itself_alone() -> None:
    for text in TEXTS:
        found = tf.strings.regex_full_match(tf.constant(TEXTS), literal(text)).numpy()
        assert [t for t, hit in zip(TEXTS, found, strict=True) if hit] == [text]


def test_a_class_matches_its_members_alone() -> None:
    members = set(map(ord, "]^-\\az0é漢😀")) | set(range(0x61, 0x66))
    asked = [*range(1, 0x250), *range(0x6F00, 0x7000), *range(0x1F5F0, 0x1F610)]
    found = tf.strings.regex_full_match(
        tf.constant([chr(c) for c in asked]), character_class(members)
    ).numpy()
    assert {c for c, hit in zip(asked, found, strict=True) if hit} == members & set(asked)
