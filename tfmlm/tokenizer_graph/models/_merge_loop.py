"""BPE merges of many words at once, exactly as a priority queue on (rank, position) does them.

The Rust library takes the lowest rank first and, of equal ranks, the leftmost
(https://github.com/huggingface/tokenizers, `models/bpe/word.rs`, `merge_all`). Done one by one
that needs as many steps as there are merges. Here each step does every merge of which it is
certain that nothing can come before it and change its symbols. Boundaries that no merge can ever
cross (see `_merges.py`) cut the symbols into segments that do not influence each other. Then:

1. The leftmost pair of the lowest rank in each segment is what the queue takes next there. It
   goes on with the next pair of this rank, unless the product makes a pair of a lower rank with
   a neighbour: then the pairs that follow have to wait. No neighbour need be asked if no merge
   that consumes the product has a lower rank (the merge is *clean*).
2. A pair whose rank is lower than the limit of the boundary before it, and not above the limit of
   the boundary after it, will be merged before any merge that could touch its two symbols.
   (What touches them must cross one of the two boundaries, so its rank is at least that limit;
   while it waits for its own turn, our pair is ahead of it in the queue.)
3. In a run of equal symbols `a a a a ...` the pairs have one rank and overlap: the queue takes
   the first, the third, the fifth. For 1. that is so because it goes from left to right. For 2. it
   is so if the first pair is not preceded, and no other merge can cross a boundary inside the run.

Nothing is assumed about the order of the merges, so this holds for every merge list.
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.models._merges import (
    NONE,
    RANK_SHIFT,
    PairTable,
    is_unclean,
    limit_of,
    product_of,
    rank_of,
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

    def unfinished(symbols: tf.Tensor, entries: tf.Tensor) -> tf.Tensor:
        return tf.reduce_min(entries) < _FINISHED

    def step(symbols: tf.Tensor, entries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        symbols = _step(symbols, entries, pairs)
        return symbols, pairs(symbols)

    return tf.while_loop(
        unfinished,
        step,
        (symbols, pairs(symbols)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None])),
    )[0]


def _step(symbols: tf.Tensor, entries: tf.Tensor, pairs: PairTable) -> tf.Tensor:
    """One round: symbols int64 [p + 3] -> fewer of them; `entries`: int64 [p + 2], of each pair."""
    # The first and the last boundary are a separator's, so only those between can be merged.
    inner = entries[1:-1]
    rank, limits = rank_of(inner), limit_of(entries)
    before, own, after = limits[:-2], limits[1:-1], limits[2:]
    segment = tf.cumsum(tf.cast(tf.equal(own, NONE), tf.int32))
    lowest = tf.gather(tf.math.segment_min(rank, segment), segment)

    mergeable = rank < NONE
    first = tf.equal(rank, lowest) & mergeable
    unpreceded, unfollowed = rank < before, rank <= after
    safe = unpreceded & unfollowed
    # only a pair of equal symbols has the rank of the pair before it
    repeated = tf.equal(inner, entries[:-2]) & mergeable
    unclean = first & is_unclean(inner)
    product = product_of(inner)

    def carefully() -> tf.Tensor:
        even, begins = _runs(repeated, unpreceded)
        in_run = even & begins & tf.equal(rank, own) & unfollowed
        chosen = first & even
        blocked = _blocked(chosen, rank, product, symbols, segment, pairs)
        return (chosen & ~blocked) | tf.where(repeated, in_run, safe)

    merged = tf.cond(tf.reduce_any(repeated | unclean), carefully, lambda: first | safe)
    # a product takes the place of its left part
    grown = tf.where(tf.pad(merged, [[1, 2]]), tf.pad(product, [[1, 2]]), symbols)
    return tf.gather_nd(grown, tf.where(tf.logical_not(tf.pad(merged, [[2, 1]]))))


def _runs(repeated: tf.Tensor, unpreceded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Is a pair the first, third, ... of its run, is its run's first not preceded: bool [p]."""
    starts = tf.where(tf.logical_not(repeated))[:, 0]
    start = tf.gather(starts, tf.cumsum(tf.cast(tf.logical_not(repeated), tf.int32)) - 1)
    distance = tf.range(tf.size(repeated, tf.int64)) - start
    even = tf.equal(tf.bitwise.bitwise_and(distance, 1), 0)
    return even, tf.gather(unpreceded, start)


def _blocked(
    first: tf.Tensor,
    rank: tf.Tensor,
    product: tf.Tensor,
    symbols: tf.Tensor,
    segment: tf.Tensor,
    pairs: PairTable,
) -> tf.Tensor:
    """Pairs before which, in their segment, a product makes a pair of a lower rank: bool [p].

    Args:
        first: bool [p], pairs of the lowest rank of their segment.
        rank, product: int64 [p], of each pair.
        symbols: int64 [p + 3].
        segment: int32 [p], the number of each pair's segment.
        pairs: the merges.
    """
    # The queue goes from left to right: what follows has not been merged, what precedes has.
    following, preceding = symbols[3:], symbols[:-3]
    merged_before = tf.pad(first, [[2, 0]])[:-2]
    preceding = tf.where(merged_before, tf.pad(product, [[2, 0]])[:-2], preceding)
    new = tf.minimum(pairs.entries(product, following), pairs.entries(preceding, product))
    lower = first & (rank_of(new) < rank)
    count = tf.cumsum(tf.cast(lower, tf.int32), exclusive=True)
    return count > tf.gather(tf.math.segment_min(count, segment), segment)
