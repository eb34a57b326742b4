"""Splitting by made-up classes, beside a loop; classes that are probed, beside Python's."""

import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.tokenizer_graph.ops.text import cut_words, decode_rows, encode_words
from tfmlm.tokenizer_graph.pre_tokenizers.by_class import (
    ISOLATED,
    REMOVED,
    WORD,
    IsolateOrRemove,
    members,
    probe_classes,
)

#: of the letters in the texts
CLASSES = {"a": WORD, "é": WORD, "-": ISOLATED, "漢": ISOLATED, " ": REMOVED, "\n": REMOVED}


def _words(text: str, contiguous: bool) -> list[str]:
    words, before = [], REMOVED
    for c in text:
        kind = CLASSES[c]
        if kind != REMOVED:
            goes_on = kind == before and (kind == WORD or contiguous)
            words.append((words.pop() if goes_on else "") + c)
        before = kind
    return words


@pytest.mark.parametrize("contiguous", [False, True])
def test_words(contiguous: bool) -> None:
    classes = np.zeros(0x110000, np.uint8)
    for c, kind in CLASSES.items():
        classes[ord(c)] = kind
    rng = random.Random(0)
    texts = ["".join(rng.choices([*CLASSES], k=rng.randint(0, 9))) for _ in range(200)]
    stream = decode_rows(tf.constant(texts))
    split = IsolateOrRemove(classes, contiguous)
    words = cut_words(*split(stream, tf.fill(tf.shape(stream), False)))
    found = [w.decode() for w in encode_words(words.codepoints, words.splits).numpy()]
    splits = [0, *words.words_before.numpy().tolist()]
    got = [found[a:b] for a, b in zip(splits, splits[1:], strict=False)]
    assert got == [_words(text, contiguous) for text in texts]


def test_probed_classes() -> None:
    spaces = {c for c in range(0x110000) if chr(c).isspace()} - {*range(0x1C, 0x20)}
    classes = probe_classes({"type": "WhitespaceSplit"})
    assert set(members(classes, REMOVED).tolist()) == spaces
    assert members(classes, ISOLATED).size == 0
    digits = members(probe_classes({"type": "Digits", "individual_digits": True}), ISOLATED)
    numbers = {c for c in range(0x110000) if unicodedata.category(chr(c)) in ("Nd", "Nl", "No")}
    newer = {c for c in digits.tolist() if unicodedata.category(chr(c)) == "Cn"}  # than Python's
    assert {*digits.tolist()} - newer == numbers
