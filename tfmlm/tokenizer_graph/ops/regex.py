"""Regular expressions over the whole stream at once.

The expression is compiled from its end to its start: for a suffix of the expression, a vector
gives for every position where a match of that suffix would end, or -1. A greedy repetition of one
class with anything after it then needs no search: its run's end is known, and the last position
within the run at which the rest matches is what backtracking would find.

Words are matched each by itself: where a word ends, so does the text.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.component import GAP, ROW
from tfmlm.tokenizer_graph.ops.matching import first_come
from tfmlm.tokenizer_graph.ops.shift import places_of, previous
from tfmlm.tokenizer_graph.ops.tables import FlagTable
from tfmlm.tokenizer_graph.spec.patterns import (
    UNBOUNDED,
    Characters,
    Expression,
    Group,
    LookAhead,
    Node,
)

NO = np.int64(-1)


def rust_class(expression: str) -> np.ndarray:
    r"""The code points that a one-character expression of the Rust library matches, like `\w`."""
    replace = {"type": "Replace", "pattern": {"Regex": expression}, "content": ""}
    return np.fromiter(probe.changes([replace]), np.int64)


def boundaries(stream: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
    """bool [n]: where a word starts or a barrier stands (int32 [n], bool [n])."""
    before = previous(stream, ROW)
    return tf.logical_or(starts, tf.logical_or(stream >= GAP, before >= GAP))


class _Rest(NamedTuple):
    """A suffix of the expression.

    Attributes:
        ends: int64 [n], where a match from each position ends, or -1.
        nullable: whether it matches at the end of a word.
    """

    ends: tf.Tensor
    nullable: bool


class RegexMatcher(tf.Module):
    """Finds the matches of an expression: leftmost, first alternative first, without overlap."""

    def __init__(self, expression: Expression) -> None:
        super().__init__()
        self._root = expression.root
        self._tables: dict[str, FlagTable] = {}
        self._collect(self._root)

    def _collect(self, node: Node) -> None:
        if isinstance(node, Group):
            for items in node.alternatives:
                for child in items:
                    self._collect(child)
        elif node.text not in self._tables:
            self._tables[node.text] = FlagTable(rust_class(node.text))

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """All matches in words (int32 [n], bool [n]) -> starts and ends, int64 [m], in order."""
        size = tf.size(stream, tf.int64)
        position = tf.range(size)
        state = _State(position, boundaries(stream, starts))
        for text, table in self._tables.items():
            state.flags[text] = table(stream)
        ends = self._compile(self._root, _Rest(position, True), state).ends
        found = places_of(ends > position)
        first, last = found, tf.gather(ends, found)
        kept = first_come(first, last)
        return tf.gather(first, kept), tf.gather(last, kept)

    def _compile(self, node: Node, rest: _Rest, state: _State) -> _Rest:
        if isinstance(node, Characters):
            return _characters(node, rest, state)
        if isinstance(node, LookAhead):
            flags = state.flags[node.text]
            allowed = tf.logical_not(flags) if node.negative else flags
            return _Rest(tf.where(allowed, rest.ends, NO), node.negative and rest.nullable)
        results = []
        for items in node.alternatives:
            result = rest
            for child in reversed(items):
                result = self._compile(child, result, state)
            results.append(result)
        if node.optional:
            results.append(rest)
        ends = results[-1].ends
        for result in reversed(results[:-1]):
            ends = tf.where(result.ends >= 0, result.ends, ends)
        return _Rest(ends, any(result.nullable for result in results))


class _State:
    """What all parts of an expression share while one stream is matched."""

    def __init__(self, position: tf.Tensor, boundary: tf.Tensor) -> None:
        self.position = position
        self.boundary = boundary
        self.flags: dict[str, tf.Tensor] = {}
        self._run_ends: dict[str, tf.Tensor] = {}

    def run_end(self, text: str) -> tf.Tensor:
        """int64 [n]: where the run of a class that holds each position ends (itself if none)."""
        if text not in self._run_ends:
            flags = self.flags[text]
            stop = tf.logical_or(tf.logical_not(flags), self.boundary)
            following = following_true(stop)
            self._run_ends[text] = tf.where(flags, following, self.position)
        return self._run_ends[text]


def following_true(flags: tf.Tensor) -> tf.Tensor:
    """int64 [n]: the first true position *after* each one (n if there is none)."""
    places = tf.concat([places_of(flags), tf.shape(flags, tf.int64)], 0)
    return tf.gather(places, tf.cumsum(tf.cast(flags, tf.int32)))


def last_true(flags: tf.Tensor) -> tf.Tensor:
    """int64 [n]: the last true position at or before each one (-1 if there is none)."""
    places = tf.concat([[NO], places_of(flags)], 0)
    return tf.gather(places, tf.cumsum(tf.cast(flags, tf.int32)))


def _characters(node: Characters, rest: _Rest, state: _State) -> _Rest:
    position = state.position
    last_position = tf.size(position, tf.int64) - 1
    # what the rest gives after something was consumed: at a boundary the word has ended
    after = tf.where(state.boundary, position if rest.nullable else NO, rest.ends)
    if node.most == 1 and node.least == 1:
        following = tf.minimum(position + 1, last_position)
        ends = tf.where(state.flags[node.text], tf.gather(after, following), NO)
        return _Rest(ends, False)
    high = state.run_end(node.text)
    if node.most != UNBOUNDED:
        high = tf.minimum(high, position + node.most)
    high = tf.minimum(high, last_position)
    low = position + max(node.least, 1)
    where = high if node.possessive else tf.gather(last_true(after >= 0), high)
    found = where >= low
    if node.possessive:
        found = tf.logical_and(found, tf.gather(after, high) >= 0)
    ends = tf.where(found, tf.gather(after, tf.maximum(where, 0)), NO)
    if node.least == 0:
        # none taken; a possessive repetition that can take one must
        without = rest.ends
        if node.possessive:
            without = tf.where(high > position, NO, rest.ends)
        ends = tf.where(found, ends, without)
    return _Rest(ends, node.nullable() and rest.nullable)
