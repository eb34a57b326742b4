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
from tfmlm.tokenizer_graph.models._lookup import IntegerTable
from tfmlm.tokenizer_graph.registry import GAP
from tfmlm.tokenizer_graph.tables import constant

STRIDE = 3
# A gram's key is its code points + 1, in 21 bits each. Its entry is gram << 40 | node << 20 |
# piece, for the node and the piece from the root; 0 is none. A step's key is node << 23 | gram,
# its entry node << 20 | piece.
CODEPOINT_BITS = 21
GRAM_BITS = 23
FIELD_BITS = 20
MASK = (1 << FIELD_BITS) - 1


class Candidates(NamedTuple):
    """Pieces in a text, ordered by their end, then the longest first.

    Attributes:
        piece: int32 [candidates], the piece's number.
        length: int64 [candidates], in characters.
        end: int64 [candidates], the index of the last character.
    """

    piece: tf.Tensor
    length: tf.Tensor
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
        grams: dict[tuple[int, ...], int] = {}
        nodes: dict[tuple[int, int], int] = {}
        ends: dict[tuple[int, int], int] = {}
        for text, number in pieces.items():
            codes = [ord(c) + 1 for c in text]
            node = 0
            for start in range(0, len(codes), STRIDE):
                chunk = tuple(codes[start : start + STRIDE])
                step = (node, grams.setdefault(chunk, len(grams) + 1))
                if start + STRIDE < len(codes):
                    node = nodes.setdefault(step, len(nodes) + 1)
            ends[step] = number
        if max(len(nodes), max(pieces.values())) >= MASK - 1 or len(grams) >= 1 << GRAM_BITS:
            raise UnsupportedTokenizerError(
                "model.vocab", f"{len(pieces)} pieces", "vocabularies up to a million pieces"
            )
        steps = {*nodes, *ends}

        def entry(step: tuple[int, int]) -> int:
            return nodes.get(step, 0) << FIELD_BITS | ends.get(step, -1) + 1

        first = {
            _gram_key(chunk): gram << 2 * FIELD_BITS | entry((0, gram))
            for chunk, gram in grams.items()
        }
        later = {node << GRAM_BITS | gram: entry((node, gram)) for node, gram in steps if node}
        self._grams, self._steps = _table(first), _table(later)
        self._unknown, self._gap = unknown, gap
        self._longest = max(map(len, pieces))
        # a column for each length, longest first; the last is for length 0
        self._width_bits = int(self._longest).bit_length()
        self._padding = constant([GAP + 1, GAP + 1], tf.int64)

    def __call__(self, stream: tf.Tensor) -> Candidates:
        """The pieces of words, none of which crosses a `GAP`.

        Args:
            stream: int32 [n], code points, with `GAP` before each word and at the end.
        """
        codes = tf.concat([tf.cast(stream, tf.int64) + 1, self._padding], 0)
        one, two, three = codes[:-2], codes[1:-1], codes[2:]
        two = tf.bitwise.left_shift(one, CODEPOINT_BITS) + two
        three = tf.bitwise.left_shift(two, CODEPOINT_BITS) + three
        entries = self._grams(tf.stack([one, two, three], 1))
        grams = tf.bitwise.right_shift(entries, 2 * FIELD_BITS)
        is_gap = tf.equal(stream, GAP)
        # Every character is a candidate, if only as an unknown one.
        single = tf.bitwise.bitwise_and(entries[:, 0], MASK)
        other = tf.where(is_gap, tf.constant(self._gap + 1, tf.int64), self._unknown + 1)
        single = tf.where(single > 0, single, other)
        row = tf.range(tf.size(stream, tf.int64))
        column = tf.where(is_gap, self._column(0), self._column(1))
        cells = tf.bitwise.left_shift(row, self._width_bits) + column
        found = tf.bitwise.bitwise_and(entries[:, 1:], MASK)
        more_cells, more_pieces = self._hits(row, 2, found)
        node = tf.bitwise.right_shift(entries[:, 2], FIELD_BITS)
        node = tf.bitwise.bitwise_and(node, MASK)
        cells, numbers = self._walk(
            row,
            node,
            grams,
            tf.concat([cells, more_cells], 0),
            tf.concat([single, more_pieces], 0),
        )
        size = tf.bitwise.left_shift(tf.shape(stream, tf.int64), self._width_bits)
        table = tf.scatter_nd(cells[:, tf.newaxis], tf.cast(numbers, tf.int32), size)
        cells = tf.where(table > 0)
        piece = tf.gather_nd(table, cells) - 1
        cells = cells[:, 0]
        column = tf.bitwise.bitwise_and(cells, (1 << self._width_bits) - 1)
        end = tf.bitwise.right_shift(cells, self._width_bits)
        return Candidates(piece, self._longest - column, end)

    def _column(self, length):
        return tf.constant(self._longest - length, tf.int64)

    def _hits(self, starts, shortest, found) -> tuple[tf.Tensor, tf.Tensor]:
        """Cells and entries of pieces: `found[i, j]` has length `shortest + j` from `starts[i]`."""
        places = tf.where(found > 0)
        length = places[:, 1] + shortest
        end = tf.gather(starts, places[:, 0]) + length - 1
        cells = tf.bitwise.left_shift(end, self._width_bits) + (self._longest - length)
        return cells, tf.gather_nd(found, places)

    def _walk(self, starts, node, grams, cells, numbers) -> tuple[tf.Tensor, tf.Tensor]:
        """Follows all nodes to their ends; adds to the cells and numbers found."""
        if self._longest <= STRIDE:
            return cells, numbers

        def step(starts, node, depth, cells, numbers):
            active = tf.where(node > 0)[:, 0]
            starts, node = tf.gather(starts, active), tf.gather(node, active)
            following = tf.gather(grams, starts + depth)
            node = tf.bitwise.left_shift(node, GRAM_BITS)
            entries = self._steps(node[:, tf.newaxis] + following)
            found = tf.bitwise.bitwise_and(entries, MASK)
            more_cells, more_numbers = self._hits(starts, depth + 1, found)
            cells = tf.concat([cells, more_cells], 0)
            numbers = tf.concat([numbers, more_numbers], 0)
            node = tf.bitwise.right_shift(entries[:, 2], FIELD_BITS)
            return starts, node, depth + STRIDE, cells, numbers

        vector = tf.TensorShape([None])
        *_, cells, numbers = tf.while_loop(
            lambda starts, node, *_: tf.reduce_any(node > 0),
            step,
            (starts, node, tf.constant(STRIDE, tf.int64), cells, numbers),
            shape_invariants=(vector, vector, tf.TensorShape([]), vector, vector),
        )
        return cells, numbers


def _gram_key(chunk: tuple[int, ...]) -> int:
    key = 0
    for code in chunk:
        key = key << CODEPOINT_BITS | code
    return key


def _table(entries: Mapping[int, int]) -> IntegerTable:
    keys = np.fromiter(entries, np.int64, len(entries))
    return IntegerTable(keys, np.fromiter(entries.values(), np.int64, len(entries)), 0)
