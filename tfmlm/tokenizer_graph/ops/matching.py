"""Finding literals in a stream: leftmost, longest, without overlap, never across a barrier.

The semantics are those of `aho_corasick` with `MatchKind::LeftmostLongest`, which the Rust library
uses for added tokens, and of `str::match_indices` for a single literal.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.ops.shift import closure, column, lower_bound, positions_of
from tfmlm.tokenizer_graph.ops.tables import FlagTable, constant

# From this many cells on, comparing every candidate with every literal costs more than a trie.
MATRIX_CELLS = 1024
# Up to here, comparing with each first character costs fewer ops than a table.
MAX_COMPARED = 3


class Matches(NamedTuple):
    """Matches in order: start and end (int64 [m], end exclusive) and number of the literal."""

    starts: tf.Tensor
    ends: tf.Tensor
    literals: tf.Tensor


class LiteralMatcher(tf.Module):
    """Matches a set of literals.

    Args:
        literals: the code points of each; distinct, none empty.
    """

    def __init__(self, literals: Sequence[Sequence[int]]) -> None:
        super().__init__()
        firsts = sorted({literal[0] for literal in literals})
        self._compared = firsts if len(firsts) <= MAX_COMPARED else []
        self._table = None if self._compared else FlagTable(firsts)
        self._longest = max(map(len, literals))
        self._may_overlap = _may_overlap(literals)
        if len(literals) * self._longest <= MATRIX_CELLS:
            self._match = _MatrixMatch(literals)
        else:
            self._match = _TrieMatch(literals)

    def candidates(self, stream: tf.Tensor) -> tf.Tensor:
        """bool [n]: where the first code point of some literal stands."""
        if self._table is not None:
            return self._table(stream)
        return functools.reduce(tf.logical_or, [tf.equal(stream, c) for c in self._compared])

    def __call__(
        self, stream: tf.Tensor, candidates: tf.Tensor, edges: tf.Tensor | None = None
    ) -> Matches:
        """All matches in `stream` (int32 [n]), which ends with a barrier.

        Args:
            edges: bool [n], where a word starts that no match may reach into from before.
        """
        positions = positions_of(candidates)
        length, literal = self._match(stream, positions)
        found = positions_of(length > 0)
        starts = tf.gather(positions, found)
        ends = starts + tf.gather(length, found)
        literals = tf.gather(literal, found)
        if edges is not None:
            count = tf.cumsum(tf.cast(edges, tf.int32))
            whole = tf.equal(tf.gather(count, starts), tf.gather(count, ends - 1))
            starts, ends = tf.boolean_mask(starts, whole), tf.boolean_mask(ends, whole)
            literals = tf.boolean_mask(literals, whole)
        if self._may_overlap:
            kept = first_come(starts, ends)
            starts, ends = tf.gather(starts, kept), tf.gather(ends, kept)
            literals = tf.gather(literals, kept)
        return Matches(starts, ends, literals)


class _MatrixMatch(tf.Module):
    """Compares a window at every candidate with a matrix of all literals."""

    def __init__(self, literals: Sequence[Sequence[int]]) -> None:
        super().__init__()
        order = sorted(range(len(literals)), key=lambda k: -len(literals[k]))
        longest = max(map(len, literals))
        matrix = np.zeros((len(literals), longest), np.int32)
        unused = np.ones((len(literals), longest), bool)
        for row, k in enumerate(order):
            matrix[row, : len(literals[k])] = literals[k]
            unused[row, : len(literals[k])] = False
        self._matrix = constant(matrix)
        self._unused = constant(unused)
        # a last entry for "no match"
        self._order = constant(np.array([*order, 0], np.int32))
        self._lengths = constant(np.array([*(len(literals[k]) for k in order), 0], np.int64))
        self._window = constant(np.arange(longest, dtype=np.int64))

    def __call__(self, stream: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int32 [n], int64 [m] -> length (int64 [m], 0 if none) and number (int32 [m]) there."""
        last = tf.size(stream, tf.int64) - 1
        window = tf.gather(stream, tf.minimum(column(positions) + self._window, last))
        equal = tf.logical_or(tf.equal(column(window), self._matrix), self._unused)
        whole = tf.reduce_all(equal, 2)
        none = tf.ones_like(whole[:, :1])
        which = tf.argmax(tf.concat([whole, none], 1), 1)  # the first true one: the longest
        return tf.gather(self._lengths, which), tf.gather(self._order, which)


class _TrieMatch(tf.Module):
    """Walks a trie from all candidates at once; edges are sorted keys `node << 21 | c`."""

    def __init__(self, literals: Sequence[Sequence[int]]) -> None:
        super().__init__()
        edges: dict[int, int] = {}
        ends = [-1]
        for k, literal in enumerate(literals):
            node = 0
            for c in literal:
                key = (node << 21) | c
                if key not in edges:
                    edges[key] = len(ends)
                    ends.append(-1)
                node = edges[key]
            ends[node] = k
        keys = sorted(edges)
        self._keys = constant(np.array(keys, np.int64))
        self._targets = constant(np.array([edges[key] for key in keys], np.int64))
        self._ends = constant(np.array(ends, np.int32))

    def __call__(self, stream: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int32 [n], int64 [m] -> length (int64 [m], 0 if none) and number (int32 [m]) there."""
        last = tf.size(stream, tf.int64) - 1
        wide = tf.cast(stream, tf.int64)

        def step(
            depth: tf.Tensor, node: tf.Tensor, length: tf.Tensor, literal: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            alive = node >= 0
            c = tf.gather(wide, tf.minimum(positions + depth, last))
            key = tf.bitwise.left_shift(tf.maximum(node, 0), tf.constant(21, tf.int64)) + c
            at = lower_bound(self._keys, key)
            at = tf.minimum(at, tf.size(self._keys, tf.int64) - 1)
            alive = tf.logical_and(alive, tf.equal(tf.gather(self._keys, at), key))
            node = tf.where(alive, tf.gather(self._targets, at), -1)
            ended = tf.where(alive, tf.gather(self._ends, tf.maximum(node, 0)), -1)
            better = ended >= 0
            length = tf.where(better, depth + 1, length)
            return depth + 1, node, length, tf.where(better, ended, literal)

        start = (
            tf.constant(0, tf.int64),
            tf.zeros_like(positions),
            tf.zeros_like(positions),
            tf.zeros_like(positions, tf.int32),
        )
        _, _, length, literal = tf.while_loop(
            lambda depth, node, *_: tf.reduce_any(node >= 0), step, start
        )
        return length, literal


def first_come(starts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """Which of the sorted intervals remain when each one kept shuts out those it overlaps.

    From interval i the next one kept is the first that starts at or after `ends[i]`.

    Args:
        starts, ends: int64 [m], increasing starts.

    Returns:
        int64 [kept], indices.
    """
    count = tf.size(starts, tf.int64)
    following = lower_bound(starts, ends)
    jump = tf.concat([following, count[tf.newaxis]], 0)  # the last entry is "beyond"
    reached = tf.range(count + 1) < 1
    return positions_of(closure(reached, jump)[:-1])


def _may_overlap(literals: Sequence[Sequence[int]]) -> bool:
    """Whether two matches could overlap: a later code point of a literal starts some literal."""
    firsts = {literal[0] for literal in literals}
    return any(c in firsts for literal in literals for c in literal[1:])
