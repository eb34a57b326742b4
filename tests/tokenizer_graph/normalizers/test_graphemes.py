"""Grapheme clusters as Python's `regex` finds them."""

import functools
import random

import numpy as np
import pytest
import regex
import tensorflow as tf

from tfmlm.tokenizer_graph.normalizers import _graphemes

#: Letters, marks, joiners, prepended signs, controls, pictographs; no flags and no Hangul.
LETTERS = (
    "xaA\u0301\u0302\u0323\u0903\ufe0f\u200d\u200d\u200d\u0600\u06dd\r\n\x00\u00ad\u200b"
    "\u00a9\u2122\U0001f468\U0001f468\U0001f3fb漢"
)

_flags = functools.cache(_graphemes.flags)


def _clusters(text: str) -> list[str]:
    stream = np.array([*map(ord, text)], np.int32)
    bits = _flags()[stream]
    joined = _graphemes.joins(tf.constant(stream), tf.constant(bits)).numpy()
    if not _graphemes.may_join(tf.constant(stream), tf.constant(bits)):
        assert not joined.any()
    found: list[str] = []
    for c, joins in zip(text, joined, strict=True):
        found.append((found.pop() if joins else "") + c)
    return found


def test_clusters() -> None:
    rng = random.Random(0)
    texts = ["".join(rng.choices(LETTERS, k=rng.randint(1, 9))) for _ in range(2000)]
    text = "\x01".join(texts)  # a control keeps them apart
    assert _clusters(text) == regex.findall(r"\X", text)
    for text in texts[:20]:
        assert _clusters(text) == regex.findall(r"\X", text)


@pytest.mark.parametrize(
    ("text", "clusters"),
    [("\u0915\u094d\u0924", 1), ("\u0915\u0924", 2), ("\u0915\u094d\u0301\u0924x", 2)],
)
def test_conjuncts(text: str, clusters: int) -> None:
    """UAX #29, GB9c: consonants join over a linker, whatever marks stand there too."""
    assert len(_clusters(text)) == clusters


def test_keys_that_are_left_out() -> None:
    flags = _flags()
    left_out = [c for c in "a\u0301\u0600\u1100한漢\u00a9" if _graphemes.is_left_out(flags, ord(c))]
    assert left_out == ["\u0600", "\u1100", "한"]
