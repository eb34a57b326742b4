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
from tfmlm.tokenizer_graph.ops.shift import positions_of, previous
from tfmlm.tokenizer_graph.ops.tables import FlagTable
from tfmlm.tokenizer_graph.spec.patterns import (
    LAZY,
    POSSESSIVE,
    UNBOUNDED,
    Anchor,
    Characters,
    Expression,
    Group,
    LookAhead,
    LookBehind,
    Node,
)

NO = np.int64(-1)
NEWLINE = 0x0A
WORD = r"\w"


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
        ends: int64 [n], where a match from each position ends, or -1. Where a word starts, it is
            of the word that starts there.
        at_end: whether it matches at the end of the word that ends before each position: bool [n],
            which means something where a word ends, or one bool for all.
    """

    ends: tf.Tensor
    at_end: tf.Tensor | bool


class RegexMatcher(tf.Module):
    """Finds the matches of an expression: leftmost, first alternative first, without overlap."""

    def __init__(self, expression: Expression) -> None:
        super().__init__()
        self._root = expression.root
        self._tables: dict[str, FlagTable] = {}
        self._collect(self._root)

    def _collect(self, node: Node) -> None:
        texts: list[str] = []
        if isinstance(node, Group):
            for items in node.alternatives:
                for child in items:
                    self._collect(child)
        elif isinstance(node, LookAhead):
            self._collect(node.group)
        elif isinstance(node, LookBehind):
            texts = list(node.texts)
        elif isinstance(node, Characters):
            texts = [node.text]
        else:
            texts = {"boundary": [WORD], "no boundary": [WORD]}.get(node.kind, [])
        for text in texts:
            if text not in self._tables:
                self._tables[text] = FlagTable(rust_class(text))

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """All matches in words (int32 [n], bool [n]) -> starts and ends, int64 [m], in order."""
        ends, position = self._ends(stream, starts)
        found = positions_of(ends > position)
        first, last = found, tf.gather(ends, found)
        kept = first_come(first, last)
        return tf.gather(first, kept), tf.gather(last, kept)

    def positions(self, stream: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        """Where an expression matches that only matches the empty string: bool [n]."""
        ends, position = self._ends(stream, starts)
        return tf.equal(ends, position)

    def _ends(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where a match from each position ends, or -1, and the positions: int64 [n] each."""
        position = tf.range(tf.size(stream, tf.int64))
        state = _State(stream, position, boundaries(stream, starts))
        for text, table in self._tables.items():
            state.flags[text] = table(stream)
        return self._compile(self._root, _Rest(position, True), state).ends, position

    def _compile(self, node: Node, rest: _Rest, state: _State) -> _Rest:
        if isinstance(node, Characters):
            return _characters(node, rest, state)
        if isinstance(node, LookAhead):
            if node.character is not None:
                found = _Rest(tf.where(state.flags[node.character], state.position, NO), False)
            else:
                found = self._compile(node.group, _Rest(state.position, True), state)
            return _allowed(found.ends >= 0, found.at_end, node.negative, rest)
        if isinstance(node, LookBehind):
            return _allowed(
                state.behind(node.texts, at_end=False),
                state.behind(node.texts, at_end=True),
                node.negative,
                rest,
            )
        if isinstance(node, Anchor):
            return _allowed(*state.anchor(node.kind), False, rest)
        results = []
        for items in node.alternatives:
            result = rest
            for child in reversed(items):
                result = self._compile(child, result, state)
            results.append(result)
        if node.optional:
            results.append(rest)
        ends, at_end = results[-1]
        for result in reversed(results[:-1]):
            ends = tf.where(result.ends >= 0, result.ends, ends)
            at_end = _or(result.at_end, at_end)
        return _Rest(ends, at_end)


def _or(first: tf.Tensor | bool, second: tf.Tensor | bool) -> tf.Tensor | bool:
    """bool [...], or a bool where both are."""
    if isinstance(first, bool) and isinstance(second, bool):
        return first or second
    return tf.logical_or(first, second)


def _and(first: tf.Tensor | bool, second: tf.Tensor | bool) -> tf.Tensor | bool:
    """bool [...], or a bool where both are."""
    if isinstance(first, bool) and isinstance(second, bool):
        return first and second
    return tf.logical_and(first, second)


def _allowed(here: tf.Tensor, at_end: tf.Tensor | bool, negative: bool, rest: _Rest) -> _Rest:
    """The rest where a condition holds (bool [n], and at the end of words), or does not."""
    if negative:
        here = tf.logical_not(here)
        at_end = (not at_end) if isinstance(at_end, bool) else tf.logical_not(at_end)
    return _Rest(tf.where(here, rest.ends, NO), _and(at_end, rest.at_end))


class _State:
    """What all parts of an expression share while one stream is matched.

    Args:
        stream: int32 [n].
        position: int64 [n], 0, 1, 2, ...
        boundary: bool [n], where a word starts or a barrier stands.
    """

    def __init__(self, stream: tf.Tensor, position: tf.Tensor, boundary: tf.Tensor) -> None:
        self.stream = stream
        self.position = position
        self.boundary = boundary
        self.flags: dict[str, tf.Tensor] = {}
        self._run_ends: dict[str, tf.Tensor] = {}

    def behind(self, texts: tuple[str, ...], at_end: bool) -> tf.Tensor:
        """bool [n]: whether the characters before are these, the nearest first.

        Args:
            at_end: of the word that ends before each position, not of the one that holds it.
        """
        result = tf.fill(tf.shape(self.boundary), True)
        inside = result if at_end else tf.logical_not(self.boundary)
        for distance, text in enumerate(texts, 1):
            result = result & inside & self._shifted(self.flags[text], distance)
            # the next one before belongs to the same word
            inside = tf.logical_not(self._shifted(self.boundary, distance, True))
        return result

    @staticmethod
    def _shifted(flags: tf.Tensor, distance: int, first: bool = False) -> tf.Tensor:
        """bool [n] -> bool [n]: what stands so far before each position."""
        return tf.concat([tf.fill([distance], first), flags], 0)[: tf.size(flags)]

    def anchor(self, kind: str) -> tuple[tf.Tensor, tf.Tensor | bool]:
        """bool [n], whether a position is of a kind of `ANCHORS`; and whether ends of words are."""
        newline = tf.equal(self.stream, NEWLINE)
        before_newline = previous(newline, False)
        if kind == "start":
            return self.boundary, False
        if kind == "end":
            return tf.zeros_like(self.boundary), True
        if kind == "line start":
            return self.boundary | before_newline, False
        if kind == "line end":
            return newline, True
        word = self.flags[WORD]
        before = previous(word, False)
        here = tf.not_equal(word, before & tf.logical_not(self.boundary))
        if kind == "boundary":
            return here, before
        return tf.logical_not(here), tf.logical_not(before)

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
    positions = tf.concat([positions_of(flags), tf.shape(flags, tf.int64)], 0)
    return tf.gather(positions, tf.cumsum(tf.cast(flags, tf.int32)))


def last_true(flags: tf.Tensor) -> tf.Tensor:
    """int64 [n]: the last true position at or before each one (-1 if there is none)."""
    positions = tf.concat([[NO], positions_of(flags)], 0)
    return tf.gather(positions, tf.cumsum(tf.cast(flags, tf.int32)))


def _characters(node: Characters, rest: _Rest, state: _State) -> _Rest:
    position = state.position
    last_position = tf.size(position, tf.int64) - 1
    # what the rest gives after something was consumed: at a boundary the word has ended
    if isinstance(rest.at_end, bool):
        ended = position if rest.at_end else NO
    else:
        ended = tf.where(rest.at_end, position, NO)
    after = tf.where(state.boundary, ended, rest.ends)
    if node.most == 1 and node.least == 1:
        following = tf.minimum(position + 1, last_position)
        ends = tf.where(state.flags[node.text], tf.gather(after, following), NO)
        return _Rest(ends, False)
    high = state.run_end(node.text)
    if node.most != UNBOUNDED:
        high = tf.minimum(high, position + node.most)
    high = tf.minimum(high, last_position)
    low = position + max(node.least, 1)
    if node.mode == LAZY:
        return _lazily(node, rest, after, low, high)
    possessive = node.mode == POSSESSIVE
    where = high if possessive else tf.gather(last_true(after >= 0), high)
    found = where >= low
    if possessive:
        found = tf.logical_and(found, tf.gather(after, high) >= 0)
    ends = tf.where(found, tf.gather(after, tf.maximum(where, 0)), NO)
    if node.least == 0:
        # none taken; a possessive repetition that can take one must
        without = rest.ends
        if possessive:
            without = tf.where(high > position, NO, rest.ends)
        ends = tf.where(found, ends, without)
    return _Rest(ends, _and(node.least == 0, rest.at_end))


def _lazily(
    node: Characters, rest: _Rest, after: tf.Tensor, low: tf.Tensor, high: tf.Tensor
) -> _Rest:
    """The shortest repetition.

    Args:
        after: int64 [n], where the rest ends behind consumed characters, or -1.
        low, high: int64 [n], how far a repetition reaches at least (once) and at most.
    """
    size = tf.size(after, tf.int64)
    allowed = after >= 0
    # the first position at or after each one at which the rest matches
    at_or_after = tf.where(allowed, tf.range(size), following_true(allowed))
    where = tf.gather(at_or_after, tf.minimum(low, size - 1))
    found = tf.logical_and(where <= high, low <= high)
    ends = tf.where(found, tf.gather(after, tf.minimum(where, size - 1)), NO)
    if node.least == 0:
        ends = tf.where(rest.ends >= 0, rest.ends, ends)
    return _Rest(ends, _and(node.least == 0, rest.at_end))
