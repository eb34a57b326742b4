"""Literal matching against a search in Python."""

import random

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.tokenizer_graph.component import ROW
from tfmlm.tokenizer_graph.ops import matching


def search(text, literals):
    found, at = [], 0
    while at < len(text):
        lengths = [(len(w), -k) for k, w in enumerate(literals) if text[at : at + len(w)] == w]
        if lengths:
            length, number = max(lengths)
            found.append((at, at + length, -number))
            at += length
        else:
            at += 1
    return found


@pytest.mark.parametrize("cells", [0, matching.MATRIX_CELLS])
def test_leftmost_longest_without_overlap(cells, monkeypatch):
    monkeypatch.setattr(matching, "MATRIX_CELLS", cells)
    rng = random.Random(cells)
    for _ in range(40):
        literals = list({tuple(rng.choices(range(3), k=rng.randint(1, 4))) for _ in range(6)})
        text = tuple(rng.choices(range(4), k=60))
        matcher = matching.LiteralMatcher(literals)
        stream = tf.constant([*text, ROW], tf.int32)
        found = matcher(stream, matcher.candidates(stream))
        got = list(zip(*(part.numpy().tolist() for part in found), strict=True))
        assert got == search(text, literals)


def test_intervals_first_come():
    rng = np.random.default_rng(0)
    for size in (0, 1, 2, 17, 300):
        starts = np.sort(rng.choice(1000, size, replace=False)).astype(np.int64)
        ends = starts + rng.integers(1, 30, size)
        kept, free = [], 0
        for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if start >= free:
                kept.append(index)
                free = end
        got = matching.first_come(tf.constant(starts), tf.constant(ends))
        assert got.numpy().tolist() == kept
