"""Batches of rows of similar length, so that little of them is padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Steps whose rows are sorted together: more of them leave less padding, and less chance in which
#: rows meet. The same number as transformers' `LengthGroupedSampler`.
_STEPS = 50


def grouped(
    lengths: np.ndarray, rows: int, random: np.random.Generator, together: int | None = None
) -> np.ndarray:
    """An order in which the rows of a step are of similar length, and its steps in any order.

    Args:
        lengths: int [n], tokens of the rows, which are in random order.
        rows: rows of a step.
        random: decides the order of the steps.
        together: steps whose rows are sorted together (default: 50, at most a quarter of all).

    Returns:
        int64 [n], each number below n once. The last step has what is left over, as it comes.
    """
    whole = len(lengths) // rows
    together = together or max(1, min(whole // 4, _STEPS))
    chunk = np.arange(whole * rows) // (together * rows)
    order = np.lexsort((lengths[: whole * rows], chunk)).reshape(whole, rows)
    rest = np.arange(whole * rows, len(lengths))
    return np.concatenate([order[random.permutation(whole)].ravel(), rest])


def grouped_stream(
    blocks: Iterator[np.ndarray], rows: int, random: np.random.Generator
) -> Iterator[np.ndarray]:
    """The blocks of a stream, grouped by length 50 steps at a time; see `grouped`.

    Args:
        blocks: packed rows, int32 [tokens], in random order.
        rows: rows of a step.
        random: decides the order of the steps.
    """
    waiting: list[np.ndarray] = []
    for block in blocks:
        waiting.append(block)
        if len(waiting) == _STEPS * rows:
            lengths = np.array([len(block) for block in waiting])
            yield from (waiting[number] for number in grouped(lengths, rows, random, _STEPS))
            waiting = []
