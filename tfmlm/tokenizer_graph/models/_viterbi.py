"""The best path through pieces, bit for bit as the Rust library's sequential loop finds it.

Rust goes from left to right (`models/unigram/model.rs`, `encode_optimized`): the score of a
position is the highest sum of the score of a piece's source and the piece's own score, in 64-bit
floating point, and of equal sums that of the longest piece. Sums round, so that ties among
orders of the same pieces depend on everything before; no scheme that adds in another order gives
the same answer. The recursion has one solution, position by position. Two ways lead to it here.

*Value iteration*: all positions at once, each from the scores of the round before, until nothing
changes. It takes as many rounds as a path has pieces: the few that a word has.

*Policy iteration* (R. A. Howard, Dynamic Programming and Markov Processes, 1960) for the long
words that are then left: choose a piece for each position, compute all scores *under the choice*,
choose the best pieces under these scores, repeat until nothing changes. Scores under a choice are
a triangular system with one entry -1 in each row, which `BandedTriangularSolve` solves from left
to right with exactly Rust's additions: the other entries are zeros. At least one more position is
right after every round, so it ends; two to six rounds are usual, however long the text.
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.models._pieces import FIELD_BITS, FIELD_MAX, Candidates
from tfmlm.tokenizer_graph.ops.shift import kept

# Words that need more rounds are left to policy iteration.
MAX_ROUNDS = 8
# Rounds between two looks at whether anything changes: looking costs as much as a round.
UNROLLED = 4


def best_path(
    candidates: Candidates, scores: tf.Tensor, gap: tf.Tensor, ends: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The pieces on the best path of each word.

    Args:
        candidates: at least one for each position; at a `GAP` just the one of no length.
        scores: float64 [pieces]; of the gap's piece 0.
        gap: bool [n], where the stream has `GAP`.
        ends: int64 [words], the words' last positions.

    Returns:
        chosen: int64 [n], for each position the best piece that ends there, packed.
        positions: int64 [m], every `GAP`, and the positions of the words' best paths.
    """
    recursion = _Recursion(candidates, scores, tf.size(gap, tf.int64))

    def value_rounds(
        rounds: tf.Tensor, values: tf.Tensor, changed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        best = values
        for _ in range(UNROLLED):
            values, best = best, recursion.best(recursion.sums(best))
        return rounds + UNROLLED, best, tf.reduce_any(tf.not_equal(best, values))

    start = tf.where(gap, tf.constant(0.0, tf.float64), tf.constant(float("-inf"), tf.float64))
    vector, scalar = tf.TensorShape([None]), tf.TensorShape([])
    _, values, _ = tf.while_loop(
        lambda rounds, values, changed: changed & (rounds < MAX_ROUNDS),
        value_rounds,
        (0, start, tf.constant(True)),
        shape_invariants=(scalar, vector, scalar),
    )
    sums = recursion.sums(values)
    best = recursion.best(sums)
    chosen = recursion.choice(sums, best)
    unsettled = tf.not_equal(best, values)
    chosen, passed = tf.cond(
        tf.reduce_any(unsettled),
        lambda: _with_long_words(candidates, scores, gap, ends, chosen, unsettled),
        lambda: (chosen, _followed(chosen, gap, ends)),
    )
    return chosen, tf.where(passed)[:, 0]


class _Recursion:
    """One step of Rust's recursion, for all positions from given scores.

    Args:
        candidates: see `best_path`.
        scores: float64 [pieces].
        count: how many positions there are, an int64 scalar.
    """

    def __init__(self, candidates: Candidates, scores: tf.Tensor, count: tf.Tensor) -> None:
        self._candidates = candidates
        self._source = tf.cast(tf.bitwise.right_shift(candidates.packed, FIELD_BITS), tf.int32)
        self._score = tf.gather(scores, tf.bitwise.bitwise_and(candidates.packed, FIELD_MAX))
        self._count = count

    def sums(self, values: tf.Tensor) -> tf.Tensor:
        """Scores of the positions, float64 [n] -> of the candidates, float64 [candidates]."""
        return tf.gather(values, self._source) + self._score

    def best(self, sums: tf.Tensor) -> tf.Tensor:
        """The highest sum at each position, float64 [n]."""
        return tf.math.unsorted_segment_max(sums, self._candidates.end, self._count)

    def choice(self, sums: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
        """int64 [n]: the longest of the best, the lowest packed one (it has the lowest source)."""
        equal = tf.equal(sums, tf.gather(best, self._candidates.end))
        packed = tf.where(equal, self._candidates.packed, tf.int64.max)
        return tf.math.unsorted_segment_min(packed, self._candidates.end, self._count)


def _with_long_words(
    candidates: Candidates,
    scores: tf.Tensor,
    gap: tf.Tensor,
    ends: tf.Tensor,
    chosen: tf.Tensor,
    unsettled: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Policy iteration for the words in which a position is unsettled.

    Args:
        candidates, scores, gap, ends: see `best_path`.
        chosen: int64 [n], the choice of value iteration.
        unsettled: bool [n], where that is not yet right.

    Returns:
        The choice and the passed positions of all words.
    """
    word = tf.cumsum(tf.cast(gap, tf.int32)) - 1
    words = tf.size(ends) + 1
    long = tf.math.unsorted_segment_max(tf.cast(unsettled, tf.int32), word, words) > 0
    inside = tf.gather(long, word)
    positions = tf.where(inside)[:, 0]  # of the long words' text in the whole
    moved = tf.cumsum(tf.cast(inside, tf.int64), exclusive=True)

    def move(packed: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        source = tf.gather(index, tf.bitwise.right_shift(packed, FIELD_BITS))
        piece = tf.bitwise.bitwise_and(packed, FIELD_MAX)
        return tf.bitwise.left_shift(source, FIELD_BITS) + piece

    taken = tf.where(tf.gather(inside, candidates.end))[:, 0]
    own = Candidates(
        move(tf.gather(candidates.packed, taken), moved),
        tf.gather(moved, tf.gather(candidates.end, taken)),
    )
    recursion = _Recursion(own, scores, tf.size(positions, tf.int64))

    def policy_round(choice: tf.Tensor, changed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values = _values(choice, scores)
        sums = recursion.sums(values)
        better = recursion.choice(sums, recursion.best(sums))
        return better, tf.reduce_any(tf.not_equal(better, choice))

    choice, _ = tf.while_loop(
        lambda choice, changed: changed,
        policy_round,
        (move(tf.gather(chosen, positions), moved), tf.constant(True)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([])),
    )
    long_ends = kept(ends, long[:-1])
    passed = _followed(chosen, gap, kept(ends, ~long[:-1]))
    where = positions[:, tf.newaxis]
    on_path = _passed(choice, tf.gather(moved, long_ends)) | tf.gather(gap, positions)
    return (
        tf.tensor_scatter_nd_update(chosen, where, move(choice, positions)),
        tf.tensor_scatter_nd_update(passed, where, on_path),
    )


def _followed(chosen: tf.Tensor, gap: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """Where best paths lead through, for short paths: bool [n]."""
    source = tf.bitwise.right_shift(chosen, FIELD_BITS)

    def step(at: tf.Tensor, passed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        at = tf.gather(source, at)
        return at, tf.tensor_scatter_nd_update(passed, at[:, tf.newaxis], tf.ones_like(at, tf.bool))

    passed = tf.tensor_scatter_nd_update(gap, ends[:, tf.newaxis], tf.ones_like(ends, tf.bool))
    at, passed = tf.while_loop(
        lambda at, passed: tf.reduce_any(tf.logical_not(tf.gather(gap, at))),
        step,
        (ends, passed),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None])),
    )
    return passed


def _system(chosen: tf.Tensor) -> tf.Tensor:
    """The bands of the triangular system of a choice: float64 [bands, n]."""
    position = tf.range(tf.size(chosen, tf.int64))
    length = position - tf.bitwise.right_shift(chosen, FIELD_BITS)
    longest = tf.cast(tf.reduce_max(length), tf.int32)
    # one_hot gives nothing but zeros for gaps, whose length is 0
    bands = tf.one_hot(length - 1, longest, -1.0, 0.0, 0, tf.float64)
    return tf.concat([tf.ones([1, tf.size(chosen)], tf.float64), bands], 0)


def _values(chosen: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """The score of each position under a choice: float64 [n]."""
    score = tf.gather(scores, tf.bitwise.bitwise_and(chosen, FIELD_MAX))
    return tf.raw_ops.BandedTriangularSolve(
        matrix=_system(chosen), rhs=score[:, tf.newaxis], lower=True, adjoint=False
    )[:, 0]


def _passed(chosen: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """Where best paths lead through, by the transposed system, which counts paths: bool [n]."""
    marks = tf.scatter_nd(
        ends[:, tf.newaxis], tf.ones_like(ends, tf.float64), tf.shape(chosen, tf.int64)
    )
    paths = tf.raw_ops.BandedTriangularSolve(
        matrix=_system(chosen), rhs=marks[:, tf.newaxis], lower=True, adjoint=True
    )
    return paths[:, 0] > 0.5
