"""BPE merges of many words at once, exactly as a priority queue on (rank, position) does them.

The Rust library takes the lowest rank first and, of equal ranks, the leftmost
(https://github.com/huggingface/tokenizers, `models/bpe/word.rs`, `merge_all`). Done one by one
that needs as many steps as there are merges. Here each step does every merge of which it is
certain that nothing can come before it and change its symbols. Boundaries that no merge can ever
cross (see `_merges.py`) cut the symbols into segments that do not influence each other. Then:

1. The leftmost pair of the lowest rank in each segment is what the queue takes next there. If no
   merge that consumes its product has a lower rank (it is `clean`), the queue goes on with the
   other pairs of that rank in the segment.
2. A pair whose rank is lower than the limit of the boundary before it, and not above the limit of
   the boundary after it, will be merged before any merge that could touch its two symbols.
   (What touches them must cross one of the two boundaries, so its rank is at least that limit;
   while it waits for its own turn, our pair is in the queue with a better place.)
3. In a run of equal symbols `a a a a ...` the pairs have one rank and overlap: the queue takes
   the first, the third, the fifth. For 1. that is so because it goes from left to right. For 2. it
   is so if the first pair is not preceded, and no other merge can cross a boundary inside the run.

Nothing is assumed about the order of the merges, so this holds for every merge list.
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.models._merges import (
    LIMIT_SHIFT,
    MASK,
    NONE,
    PRODUCT_SHIFT,
    RANK_SHIFT,
    PairTable,
)

_FINISHED = NONE << RANK_SHIFT


def merge_all(symbols: tf.Tensor, pairs: PairTable) -> tf.Tensor:
    """Merges until no pair is left.

    Args:
        symbols: int64 [n]: words, with a separator before each and one at the end.
        pairs: the merges.

    Returns:
        int64 [m], separators kept.
    """

    def unfinished(symbols, entries):
        return tf.reduce_min(entries) < _FINISHED

    def step(symbols, entries):
        symbols = _step(symbols, entries)
        return symbols, pairs(symbols)

    return tf.while_loop(
        unfinished,
        step,
        (symbols, pairs(symbols)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None])),
    )[0]


def _step(symbols: tf.Tensor, entries: tf.Tensor) -> tf.Tensor:
    rank = tf.bitwise.right_shift(entries, RANK_SHIFT)
    limit = tf.bitwise.bitwise_and(tf.bitwise.right_shift(entries, LIMIT_SHIFT), MASK)
    unclean = tf.bitwise.bitwise_and(entries, 1)

    segment = tf.cumsum(tf.cast(tf.equal(limit, NONE), tf.int32))
    place = tf.bitwise.left_shift(rank, 32) + unclean * tf.range(tf.size(entries, tf.int64))
    first = tf.equal(place, tf.gather(tf.math.segment_min(place, segment), segment))

    # The first and the last boundary are a separator's, so only those between can be merged.
    rank, before, own, after = rank[1:-1], limit[:-2], limit[1:-1], limit[2:]
    first = first[1:-1] & (rank < NONE)
    unpreceded, unfollowed = rank < before, rank <= after
    merged = first | (unpreceded & unfollowed)
    # only a pair of equal symbols has the rank of the pair before it
    repeated = tf.equal(entries[1:-1], entries[:-2]) & (rank < NONE)
    merged = tf.cond(
        tf.reduce_any(repeated),
        lambda: tf.where(
            repeated,
            _every_second(repeated, first, unpreceded) & (first | tf.equal(rank, own) & unfollowed),
            merged,
        ),
        lambda: merged,
    )

    product = tf.bitwise.right_shift(entries[1:-1], PRODUCT_SHIFT)
    product = tf.bitwise.bitwise_and(product, MASK)
    grown = tf.concat([symbols[:1], tf.where(merged, product, symbols[1:-2]), symbols[-2:]], 0)
    kept = tf.where(tf.logical_not(tf.pad(merged, [[2, 1]])))[:, 0]
    return tf.gather(grown, kept)


def _every_second(repeated: tf.Tensor, first: tf.Tensor, unpreceded: tf.Tensor) -> tf.Tensor:
    """The third, fifth, ... pair of each run, unless nothing is known about its first pair."""
    starts = tf.where(tf.logical_not(repeated))[:, 0]
    start = tf.gather(starts, tf.cumsum(tf.cast(tf.logical_not(repeated), tf.int32)) - 1)
    distance = tf.range(tf.size(repeated, tf.int64)) - start
    even = tf.equal(tf.bitwise.bitwise_and(distance, 1), 0)
    return even & (first | tf.gather(unpreceded, start))
