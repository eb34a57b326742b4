"""BPE merges of many words at once, exactly as a priority queue on (rank, position) does them.

The Rust library takes the lowest rank first and, of equal ranks, the leftmost
(https://github.com/huggingface/tokenizers, `models/bpe/word.rs`, `merge_all`). Done one by one
that needs as many steps as there are merges. Here each step does every merge of which it is
certain that nothing can come before it and change its symbols. Boundaries that no merge can ever
cross (see `_merges.py`) cut the symbols into segments that do not influence each other. Then:

1. The leftmost pair of the lowest rank in each segment is what the queue takes next there.
2. A pair whose rank is lower than the limit of the boundary before it, and not above the limit of
   the boundary after it, will be merged before any merge that could touch its two symbols.
   (What touches them must cross one of the two boundaries, so its rank is at least that limit;
   while it waits for its own turn, our pair is in the queue with a better place.)
3. In a run of equal symbols `a a a a ...` the pairs have one rank and overlap. If 2. holds for
   the first pair and no other merge can cross a boundary inside the run earlier, every second
   pair is merged.

Nothing is assumed about the order of the merges, so this holds for every merge list.
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.models._merges import FIELD_BITS, FIELD_MASK, NONE, PairTable

_FINISHED = NONE << 2 * FIELD_BITS


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
    rank = tf.bitwise.right_shift(entries, 2 * FIELD_BITS)
    limit = tf.bitwise.bitwise_and(tf.bitwise.right_shift(entries, FIELD_BITS), FIELD_MASK)

    segment = tf.cumsum(tf.cast(tf.equal(limit, NONE), tf.int32))
    place = tf.bitwise.left_shift(rank, 32) + tf.range(tf.size(entries, tf.int64))
    first = tf.equal(place, tf.gather(tf.math.segment_min(place, segment), segment))

    # The first and the last boundary are a separator's, so only those between can be merged.
    rank, before, own, after = rank[1:-1], limit[:-2], limit[1:-1], limit[2:]
    unpreceded, unfollowed = rank < before, rank <= after
    merged = (first[1:-1] & (rank < NONE)) | (unpreceded & unfollowed)
    merged = tf.cond(
        # only a pair of equal symbols has the rank of the pair before it
        tf.reduce_any(tf.equal(entries[1:-1], entries[:-2]) & tf.equal(rank, own) & (rank < NONE)),
        lambda: merged | (_every_second(rank, own, unpreceded) & unfollowed),
        lambda: merged,
    )

    product = tf.bitwise.bitwise_and(entries[1:-1], FIELD_MASK)
    grown = tf.concat([symbols[:1], tf.where(merged, product, symbols[1:-2]), symbols[-2:]], 0)
    kept = tf.where(tf.logical_not(tf.pad(merged, [[2, 1]])))[:, 0]
    return tf.gather(grown, kept)


def _every_second(rank: tf.Tensor, own: tf.Tensor, unpreceded: tf.Tensor) -> tf.Tensor:
    """The third, fifth, ... pair of each run whose first pair is not preceded."""
    same = tf.concat([tf.zeros([1], tf.bool), tf.equal(rank[1:], rank[:-1])], 0)
    same = same & tf.equal(rank, own) & (rank < NONE)
    new = tf.logical_not(same)
    starts = tf.where(new)[:, 0]
    start = tf.gather(starts, tf.cumsum(tf.cast(new, tf.int32)) - 1)
    index = tf.range(tf.size(rank, tf.int64))
    even = tf.equal(tf.bitwise.bitwise_and(index - start, 1), 0)
    return same & even & tf.gather(unpreceded, start)
