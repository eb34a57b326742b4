"""Best paths bit for bit as a loop from left to right finds them, in short and long words."""

import random

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.models._pieces import FIELD_BITS, FIELD_MAX, Candidates
from tfmlm.tokenizer_graph.models._viterbi import best_path

Piece = tuple[int, int, int]


def _candidates(rng: random.Random, lengths: list[int], count: int) -> tuple[list[Piece], list]:
    """(source, end, number) of pieces in words, and the positions of gaps."""
    found, gaps, at = [(0, 0, count)], [0], 0
    for length in lengths:
        for end in range(at + 1, at + length + 1):
            longest = min(5, end - at)
            sizes = {1, *(rng.randint(1, longest) for _ in range(3))}
            found += [(end - size, end, rng.randrange(count)) for size in sizes]
        at += length + 1
        found.append((at, at, count))
        gaps.append(at)
    rng.shuffle(found)
    return found, gaps


def _one_by_one(
    found: list[Piece], gaps: list[int], scores: list[float]
) -> tuple[dict[int, tuple[int, int]], list[int]]:
    """Of each position the source and number of its best piece; where best paths lead through."""
    ending: dict[int, list[Piece]] = {}
    for piece in found:
        ending.setdefault(piece[1], []).append(piece)
    value: dict[int, float] = {}
    best: dict[int, tuple[int, int]] = {}
    for end in sorted(ending):
        if end in gaps:
            value[end], best[end] = 0.0, (end, len(scores) - 1)
            continue
        # from the longest to the shortest: a shorter one has to be better
        for source, _, number in sorted(ending[end]):
            total = value[source] + scores[number]
            if end not in value or total > value[end]:
                value[end], best[end] = total, (source, number)
    passed = set(gaps)
    for gap in gaps[1:]:
        at = gap - 1
        while at not in gaps:
            passed.add(at)
            at = best[at][0]
    return best, sorted(passed)


def test_as_one_by_one() -> None:
    rng = random.Random(0)
    for lengths in ([1], [3, 1, 6, 2], [60], [4, 200, 1, 7, 90], [9] * 12):
        for grid in (None, 0.1, 1.0):  # scores on a grid make ties
            count = 12
            scores = [-rng.random() * 9 for _ in range(count)]
            scores = [s if grid is None else round(s / grid) * grid for s in scores] + [0.0]
            found, gaps = _candidates(rng, lengths, count)
            size = gaps[-1] + 1
            packed = [source << FIELD_BITS | number for source, _, number in found]
            candidates = Candidates(
                tf.constant(packed, tf.int64), tf.constant([end for _, end, _ in found], tf.int64)
            )
            is_gap = np.isin(np.arange(size), gaps)
            ends = tf.constant([gap - 1 for gap in gaps[1:]], tf.int64)
            chosen, positions = best_path(
                candidates, tf.constant(scores, tf.float64), tf.constant(is_gap), ends
            )
            best, passed = _one_by_one(found, gaps, scores)
            got = [(c >> FIELD_BITS, c & FIELD_MAX) for c in chosen.numpy().tolist()]
            assert positions.numpy().tolist() == passed
            assert [got[at] for at in passed] == [best[at] for at in passed]
