"""All pieces that occur in a text, at all positions at once.

A trie over code points would take one step for each character of the longest piece. This one
takes three characters a step: every one, two and three characters that stand in a piece from a
multiple of three on have a number (a *gram*), nodes are at depths 0, 3, 6, ..., and a piece is a
node and the gram that completes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.ops.lookup import IntegerTable
from tfmlm.tokenizer_graph.ops.tables import constant

STRIDE = 3
# A gram's key is its code points + 1, in 21 bits each. Its entry is gram << 40 | node << 20 |
# piece, for the node and the piece from the root; 0 is none. A step's key is node << 23 | gram,
# its entry node << 20 | piece.
CODEPOINT_BITS = 21
GRAM_BITS = 23
FIELD_BITS = 20
FIELD_MAX = (1 << FIELD_BITS) - 1


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


class PieceTrie(tf.Module):
    """The tables of a trie that takes three characters a step.

    Args:
        pieces: (code points of a piece, its number), at least one of them; none empty.

    Raises:
        UnsupportedTokenizerError: there are too many pieces for the tables.
    """

    def __init__(self, pieces: Iterable[tuple[Sequence[int], int]]) -> None:
        super().__init__()
        # all keys are packed: a quarter million pieces as tuples would take gigabytes
        grams: dict[int, int] = {}
        nodes: dict[int, int] = {}
        ends: dict[int, int] = {}
        self.longest = 0
        for codepoints, number in pieces:
            node = 0
            for start in range(0, len(codepoints), STRIDE):
                key = _gram_key(codepoints[start : start + STRIDE])
                step = node << GRAM_BITS | grams.setdefault(key, len(grams) + 1)
                if start + STRIDE < len(codepoints):
                    node = nodes.setdefault(step, len(nodes) + 1)
            ends[step] = number
            self.longest = max(self.longest, len(codepoints))
        if max(len(nodes), max(ends.values())) >= FIELD_MAX - 1 or len(grams) >= 1 << GRAM_BITS:
            raise UnsupportedTokenizerError(
                "model.vocab", f"{len(ends)} pieces", "vocabularies up to a million pieces"
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
        self._padding = constant([GAP + 1, GAP + 1], tf.int64)
        self._lengths = constant(np.arange(1, STRIDE + 1), tf.int64)

    def first_step(self, stream: tf.Tensor) -> tf.Tensor:
        """Code points int32 [n] -> entries int64 [n, 3] of the one, two and three from each on."""
        codes = tf.concat([tf.cast(stream, tf.int64) + 1, self._padding], 0)
        one, two, three = codes[:-2], codes[1:-1], codes[2:]
        two = tf.bitwise.left_shift(one, CODEPOINT_BITS) + two
        three = tf.bitwise.left_shift(two, CODEPOINT_BITS) + three
        return self._grams(tf.stack([one, two, three], 1))

    def next_step(self, node: tf.Tensor, grams: tf.Tensor) -> tf.Tensor:
        """Entries int64 [m, 3]: from each node (int64 [m]) by each of three grams [m, 3]."""
        return self._steps(tf.bitwise.left_shift(node, GRAM_BITS)[:, tf.newaxis] + grams)

    @staticmethod
    def node_of(entries: tf.Tensor) -> tf.Tensor:
        """Entries [m, 3] -> the node after all three characters, int64 [m]; 0: none."""
        node = tf.bitwise.right_shift(entries[:, STRIDE - 1], FIELD_BITS)
        return tf.bitwise.bitwise_and(node, FIELD_MAX)


class PieceFinder(PieceTrie):
    """Finds all pieces.

    Args:
        pieces: piece -> its number, at least one of them.
        unknown: the number for a character that is no piece.
        gap: the number for `GAP`, as a piece of length 0.

    Raises:
        UnsupportedTokenizerError: there are too many pieces for the tables.
    """

    def __init__(self, pieces: Mapping[str, int], unknown: int, gap: int) -> None:
        super().__init__((tuple(map(ord, piece)), number) for piece, number in pieces.items())
        self._unknown, self._gap = unknown, gap

    def __call__(self, stream: tf.Tensor) -> Candidates:
        """The pieces of words, none of which crosses a `GAP`.

        Every character is a candidate, if only as an unknown one.

        Args:
            stream: int32 [n], code points, with `GAP` before each word and at the end.
        """
        entries = self.first_step(stream)
        position = tf.range(tf.size(stream, tf.int64))
        gap = tf.equal(stream, GAP)
        single = tf.bitwise.bitwise_and(entries[:, 0], FIELD_MAX) - 1
        other = tf.where(gap, tf.constant(self._gap, tf.int64), self._unknown)
        single = tf.where(single >= 0, single, other)
        source = tf.where(gap, position, position - 1)
        packed = tf.bitwise.left_shift(source, FIELD_BITS) + single
        longer = _found(position, position, entries[:, 1:], self._lengths[1:])
        packed = tf.concat([packed, longer.packed], 0)
        end = tf.concat([position, longer.end], 0)
        if self.longest <= STRIDE:
            return Candidates(packed, end)
        grams = tf.bitwise.right_shift(entries, 2 * FIELD_BITS)
        return self._walk(position, self.node_of(entries), grams, packed, end)

    def _walk(
        self,
        starts: tf.Tensor,
        node: tf.Tensor,
        grams: tf.Tensor,
        packed: tf.Tensor,
        end: tf.Tensor,
    ) -> Candidates:
        """Follows all nodes to their ends and adds what is found.

        Args:
            starts, node: int64 [n], where each walk began and the node that it has come to.
            grams: int64 [n, 3], of each position.
            packed, end: what was found so far, see `Candidates`.
        """

        def step(
            starts: tf.Tensor,
            following: tf.Tensor,
            node: tf.Tensor,
            packed: tf.Tensor,
            end: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            active = tf.where(node > 0)[:, 0]
            starts, following = tf.gather(starts, active), tf.gather(following, active)
            entries = self.next_step(tf.gather(node, active), tf.gather(grams, following))
            more = _found(starts, following, entries, self._lengths)
            packed = tf.concat([packed, more.packed], 0)
            end = tf.concat([end, more.end], 0)
            return starts, following + STRIDE, self.node_of(entries), packed, end

        vector = tf.TensorShape([None])
        *_, packed, end = tf.while_loop(
            lambda starts, following, node, *_: tf.reduce_any(node > 0),
            step,
            (starts, starts + STRIDE, node, packed, end),
            shape_invariants=(vector, vector, vector, vector, vector),
        )
        return Candidates(packed, end)


def _found(
    starts: tf.Tensor, following: tf.Tensor, entries: tf.Tensor, lengths: tf.Tensor
) -> Candidates:
    """The pieces among `entries` (int64 [m, k]).

    Args:
        starts: int64 [m], where each piece starts.
        following: int64 [m], where its last step starts.
        lengths: int64 [k], how many characters that step takes.
    """
    number = tf.bitwise.bitwise_and(entries, FIELD_MAX)
    found = tf.where(tf.reshape(number > 0, [-1]))
    # number - 1, and the source is one before the start
    base = tf.bitwise.left_shift(starts - 1, FIELD_BITS) - 1
    packed = tf.reshape(base[:, tf.newaxis] + number, [-1])
    end = tf.reshape((following - 1)[:, tf.newaxis] + lengths, [-1])
    return Candidates(tf.gather_nd(packed, found), tf.gather_nd(end, found))


def _gram_key(chunk: Sequence[int]) -> int:
    key = 0
    for c in chunk:
        key = key << CODEPOINT_BITS | c + 1
    return key
