"""Filling words into texts, and what counts as glued."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.real_data import multilingual_texts
from tfmlm.export.checking.words import ends_in_a_word
from tfmlm.export.graph.texts import fill_in, glued_to_a_word


def test_fill_in_against_slicing():
    generator = np.random.default_rng(0)
    texts = [t.encode() for t in multilingual_texts(300)] + [b"", b"\xff\x00\xfe"]
    rows, spans, words, expected = [], [], [], []
    for number, text in enumerate(texts):
        count = 2 * min(int(generator.integers(0, 4)), (len(text) + 1) // 2)
        cuts = sorted(generator.choice(len(text) + 1, count, replace=False)) if count else []
        done, pieces = 0, []
        for begin, end in zip(cuts[::2], cuts[1::2], strict=True):
            word = f"<{number}é>".encode()
            rows.append(number)
            spans.append([begin, end])
            words.append(word)
            pieces += [text[done:begin], word]
            done = end
        expected.append(b"".join([*pieces, text[done:]]))
    found = fill_in(
        tf.constant(texts),
        tf.constant(rows, tf.int32),
        tf.constant(spans, tf.int32),
        tf.constant(words),
    )
    assert found.numpy().tolist() == expected


def test_fill_in_without_spans():
    found = fill_in(
        tf.constant(["a", ""]),
        tf.zeros([0], tf.int32),
        tf.zeros([0, 2], tf.int32),
        tf.zeros([0], tf.string),
    )
    assert found.numpy().tolist() == [b"a", b""]


@pytest.mark.parametrize("after_punctuation", [False, True])
def test_glued_as_python_sees_it(after_punctuation):
    before = ["", "a", "é", "9", " ", "a ", "(", "don't", "_", "-", "—", "«", "中", "あ", "\u00a0"]
    before += ["x\t", "ñ\u0301", "Жук", "…", "\u3000", "$", "€", "😀", "ﷺ", "한"]
    texts = [f"{b}[MASK]" for b in before]
    starts = [len(b.encode()) for b in before]
    found = glued_to_a_word(
        tf.constant(texts),
        tf.range(len(texts)),
        tf.constant(starts, tf.int32),
        after_punctuation,
    )
    expected = [ends_in_a_word(b, after_punctuation) for b in before]
    assert dict(zip(before, found.numpy().tolist(), strict=True)) == dict(
        zip(before, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("before", "word", "any_text"),
    [
        ("play", True, True),
        ("play ", False, False),
        ("(", False, True),
        ("", False, False),
        ("中", False, True),
        ("Zürich", True, True),
    ],
)
def test_glued(before, word, any_text):
    start = tf.constant([len(before.encode())])
    text = tf.constant([f"{before}[MASK]"])
    row = tf.constant([0])
    assert glued_to_a_word(text, row, start, False).numpy()[0] == word
    assert glued_to_a_word(text, row, start, True).numpy()[0] == any_text
