"""The longest piece from every position, against a search in Python."""

import random

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.models._longest import LongestPieces


def test_as_a_search_finds_them() -> None:
    rng = random.Random(0)
    for _ in range(8):
        pieces = {
            tuple(rng.choices((97, 98, 0x10FFFF), k=rng.randint(1, 8))): number
            for number in range(rng.randint(1, 25))
        }
        stream = [*rng.choices((97, 98, 0x10FFFF, GAP), k=60), GAP]
        found = LongestPieces(pieces.items())(tf.constant(stream, tf.int32))
        for at, (end, number) in enumerate(zip(*(f.numpy().tolist() for f in found), strict=True)):
            fits = [p for p in pieces if tuple(stream[at : at + len(p)]) == p]
            best = max(fits, key=len, default=None)
            want = (0, -1) if best is None else (at + len(best), pieces[best])
            assert (end, number) == want
