"""All pieces that occur in a text, at all positions at once.

A trie over code points would take one step for each character of the longest piece. This one
takes three characters a step: every one, two and three characters that stand in a piece from a
multiple of three on have a number (a *gram*), nodes are at depths 0, 3, 6, ..., and a piece is a
node and the gram that completes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.ops.lookup import IntegerTable
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.registry import GAP

STRIDE = 3
# A gram's key is its code points + 1, in 21 bits each. Its entry is gram << 40 | node << 20 |
# piece, for the node and the piece from the root; 0 is none. A step's key is node << 23 | gram,
# its entry node << 20 | piece.
CODEPOINT_BITS = 21
GRAM_BITS = 23
FIELD_BITS = 20
MASK = (1 << FIELD_BITS) - 1


class Candidates(NamedTuple):
    """Pieces in a text, in no order.

    A position is an index into the stream; a piece goes from the position before its first
    character, its source, to that of its last one. A `GAP` has a piece from itself to itself.

    Attributes:
        packed: int64 [candidates], `source << FIELD_BITS | number`.
        end: int64 [candidates].
    """

    packed: tf.Tensor
    end: tf.Tensor


class PieceFinder(tf.Module):
    """Finds pieces.

    Args:
        pieces: piece -> its number, at least one of them.
        unknown: the number for a character that is no piece.
        gap: the number for `GAP`, as a piece of length 0.

    Raises:
        UnsupportedTokenizerError: there are too many pieces for the tables.
    """

    def __init__(self, pieces: Mapping[str, int], unknown: int, gap: int) -> None:
        super().__init__()
        # all keys are packed: a quarter million pieces as tuples would take gigabytes
        grams: dict[int, int] = {}
        nodes: dict[int, int] = {}
        ends: dict[int, int] = {}
        for text, number in pieces.items():
            node = 0
            for start in range(0, len(text), STRIDE):
                gram = grams.setdefault(_gram_key(text[start : start + STRIDE]), len(grams) + 1)
                step = node << GRAM_BITS | gram
                if start + STRIDE < len(text):
                    node = nodes.setdefault(step, len(nodes) + 1)
            ends[step] = number
        if max(len(nodes), max(pieces.values())) >= MASK - 1 or len(grams) >= 1 << GRAM_BITS:
            raise UnsupportedTokenizerError(
                "model.vocab", f"{len(pieces)} pieces", "vocabularies up to a million pieces"
            )

        def entry(step: int) -> int:
            return nodes.get(step, 0) << FIELD_BITS | ends.get(step, -1) + 1

        # node 0 is the root, so that a gram is also the step from there
        first = np.fromiter(
            (gram << 2 * FIELD_BITS | entry(gram) for gram in grams.values()), np.int64, len(grams)
        )
        self._grams = IntegerTable(np.fromiter(grams, np.int64, len(grams)), first, 0)
        later = np.fromiter(nodes.keys() | ends.keys(), np.int64)
        later = later[later >= 1 << GRAM_BITS]
        entries = np.fromiter((entry(step) for step in later.tolist()), np.int64, len(later))
        self._steps = IntegerTable(later, entries, 0)
        self._unknown, self._gap = unknown, gap
        self._longest = max(map(len, pieces))
        self._padding = constant([GAP + 1, GAP + 1], tf.int64)
        self._lengths = constant(np.arange(1, STRIDE + 1), tf.int64)

    def __call__(self, stream: tf.Tensor) -> Candidates:
        """The pieces of words, none of which crosses a `GAP`.

        Every character is a candidate, if only as an unknown one.

        Args:
            stream: int32 [n], code points, with `GAP` before each word and at the end.
        """
        codes = tf.concat([tf.cast(stream, tf.int64) + 1, self._padding], 0)
        one, two, three = codes[:-2], codes[1:-1], codes[2:]
        two = tf.bitwise.left_shift(one, CODEPOINT_BITS) + two
        three = tf.bitwise.left_shift(two, CODEPOINT_BITS) + three
        entries = self._grams(tf.stack([one, two, three], 1))

        position = tf.range(tf.size(stream, tf.int64))
        gap = tf.equal(stream, GAP)
        single = tf.bitwise.bitwise_and(entries[:, 0], MASK) - 1
        other = tf.where(gap, tf.constant(self._gap, tf.int64), self._unknown)
        single = tf.where(single >= 0, single, other)
        source = tf.where(gap, position, position - 1)
        packed = tf.bitwise.left_shift(source, FIELD_BITS) + single
        longer = _found(position, position, entries[:, 1:], self._lengths[1:])
        packed = tf.concat([packed, longer.packed], 0)
        end = tf.concat([position, longer.end], 0)
        if self._longest <= STRIDE:
            return Candidates(packed, end)
        node = tf.bitwise.right_shift(entries[:, 2], FIELD_BITS)
        node = tf.bitwise.bitwise_and(node, MASK)
        grams = tf.bitwise.right_shift(entries, 2 * FIELD_BITS)
        return self._walk(position, node, grams, packed, end)

    def _walk(self, starts, node, grams, packed, end) -> Candidates:
        """Follows all nodes to their ends and adds what is found."""

        def step(starts, following, node, packed, end):
            active = tf.where(node > 0)[:, 0]
            starts, following = tf.gather(starts, active), tf.gather(following, active)
            node = tf.bitwise.left_shift(tf.gather(node, active), GRAM_BITS)
            entries = self._steps(node[:, tf.newaxis] + tf.gather(grams, following))
            more = _found(starts, following, entries, self._lengths)
            packed = tf.concat([packed, more.packed], 0)
            end = tf.concat([end, more.end], 0)
            node = tf.bitwise.right_shift(entries[:, 2], FIELD_BITS)
            return starts, following + STRIDE, node, packed, end

        vector = tf.TensorShape([None])
        *_, packed, end = tf.while_loop(
            lambda starts, following, node, *_: tf.reduce_any(node > 0),
            step,
            (starts, starts + STRIDE, node, packed, end),
            shape_invariants=(vector, vector, vector, vector, vector),
        )
        return Candidates(packed, end)


def _found(starts, following, entries, lengths) -> Candidates:
    """The pieces among `entries [m, k]`: from `starts`, `lengths` characters from `following`."""
    number = tf.bitwise.bitwise_and(entries, MASK)
    found = tf.where(tf.reshape(number > 0, [-1]))
    # number - 1, and the source is one before the start
    base = tf.bitwise.left_shift(starts - 1, FIELD_BITS) - 1
    packed = tf.reshape(base[:, tf.newaxis] + number, [-1])
    end = tf.reshape((following - 1)[:, tf.newaxis] + lengths, [-1])
    return Candidates(tf.gather_nd(packed, found), tf.gather_nd(end, found))


def _gram_key(chunk: str) -> int:
    key = 0
    for c in chunk:
        key = key << CODEPOINT_BITS | ord(c) + 1
    return key
