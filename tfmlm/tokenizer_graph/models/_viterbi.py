"""The best path through pieces, bit for bit as the Rust library's sequential loop finds it.

Rust goes from left to right (`models/unigram/model.rs`, `encode_optimized`): the score of a
position is the highest sum of the score of a piece's start and the piece's own score, in 64-bit
floating point, and of equal sums that of the longest piece. Sums round, so that ties among
orders of the same pieces depend on everything before; no scheme that adds in another order gives
the same answer.

Here the choice of a piece for each position is guessed (the longest), and then improved as in
policy iteration (R. A. Howard, Dynamic Programming and Markov Processes, 1960): compute all
scores *under the choice*, take for each position the best piece under these scores, repeat until
nothing changes. Scores under a choice are a triangular system with one entry -1 in each row,
which `BandedTriangularSolve` solves from left to right with exactly Rust's additions: the other
entries are zeros. When nothing changes the scores fulfil Rust's recursion, and its solution is
unique, position by position. At least one more position is right after every round, so it ends;
two to six rounds are usual, however long the text.
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.models._pieces import Candidates


def best_path(candidates: Candidates, scores: tf.Tensor, heads: tf.Tensor, ends: tf.Tensor):
    """The chosen candidates on the best path of each word.

    Args:
        candidates: at least one for each position; length 0 only where a word starts (its head).
        scores: float64 [pieces].
        heads: int64 [words], positions before words.
        ends: int64 [words], the words' last positions.

    Returns:
        int64 [m], indices of candidates in the order of the text, each word's after its head's.
    """
    source = candidates.end - candidates.length
    score = tf.gather(scores, candidates.piece)
    order = tf.range(tf.size(score, tf.int64))
    longest = tf.cast(tf.reduce_max(candidates.length), tf.int32)
    column = tf.cast(candidates.length, tf.int32) - 1

    def system(choice):
        # one_hot gives nothing but zeros for heads, whose column is -1
        bands = tf.one_hot(tf.gather(column, choice), longest, -1.0, 0.0, 0, tf.float64)
        return tf.concat([tf.ones([1, tf.size(choice)], tf.float64), bands], 0)

    def solve(matrix, values, adjoint):
        return tf.raw_ops.BandedTriangularSolve(
            matrix=matrix, rhs=values[:, tf.newaxis], lower=True, adjoint=adjoint
        )[:, 0]

    def improve(choice, changed):
        values = solve(system(choice), tf.gather(score, choice), False)
        sums = tf.gather(values, source) + score
        best = tf.gather(tf.math.segment_max(sums, candidates.end), candidates.end)
        place = tf.where(tf.equal(sums, best), order, tf.int64.max)
        better = tf.math.segment_min(place, candidates.end)
        return better, tf.reduce_any(tf.not_equal(better, choice))

    first = tf.math.segment_min(order, candidates.end)
    choice, _ = tf.while_loop(
        lambda choice, changed: changed,
        improve,
        (first, tf.constant(True)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([])),
    )
    # How many paths from words' ends lead through a position, one or none: the transposed system.
    marks = tf.scatter_nd(
        ends[:, tf.newaxis], tf.ones_like(ends, tf.float64), tf.shape(choice, tf.int64)
    )
    passed = solve(system(choice), marks, True)
    return tf.gather(choice, tf.where(passed > 0.5)[:, 0])
