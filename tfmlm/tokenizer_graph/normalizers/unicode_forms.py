"""NFC, NFD, NFKC and NFKD on a stream (Unicode Standard Annex 15), with Rust's tables.

Each has a fast path: one table of what every code point becomes by itself, right as long as the
text has no code point that may act on its neighbours.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.normalizers.unicode_data import decomposition, unicode_data
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.regex import following_true, last_true
from tfmlm.tokenizer_graph.ops.shift import column, following, lower_bound, positions_of, previous
from tfmlm.tokenizer_graph.ops.tables import FlagTable, MapTable, ValueTable, constant

RANK_BITS = 8


class Reorder(tf.Module):
    """Canonical ordering: runs of marks are sorted by combining class, stably."""

    def __init__(self) -> None:
        super().__init__()
        ranks = unicode_data().ranks
        values = np.zeros(0x110000, np.int32)
        values[list(ranks)] = list(ranks.values())
        self.rank = ValueTable(values, 0)

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        ranks = self.rank(stream)
        later = following(ranks, 0)
        wrong = tf.logical_and(later > 0, ranks > later)
        return branch(tf.reduce_any(wrong), lambda: self._sort(stream, ranks), lambda: stream)

    def with_flags(self, stream: tf.Tensor, flags: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As a call; a flag (bool [n]) goes where its element goes."""
        order = self._order(self.rank(stream))
        return tf.gather(stream, order), tf.gather(flags, order)

    def _sort(self, stream: tf.Tensor, ranks: tf.Tensor) -> tf.Tensor:
        """int32 [n], in order by the classes of all (int32 [n])."""
        return tf.gather(stream, self._order(ranks))

    def _order(self, ranks: tf.Tensor) -> tf.Tensor:
        """Which element goes where, int64 [n], by the classes of all (int32 [n])."""
        is_mark = ranks > 0
        positions = positions_of(is_mark)
        run = tf.cumsum(tf.cast(tf.logical_not(is_mark), tf.int64))
        # (run, class, position) in one number; positions make it unique, so any sort is stable
        key = tf.gather(run, positions) * (1 << RANK_BITS) + tf.cast(
            tf.gather(ranks, positions), tf.int64
        )
        size = tf.size(ranks, tf.int64)
        order = tf.sort(key * size + positions) % tf.maximum(size, 1)
        return tf.tensor_scatter_nd_update(tf.range(size), column(positions), order)


class Compose(tf.Module):
    """Canonical composition of a decomposed, ordered stream.

    All starters that can be the first of a pair are worked on at once; a round takes the next mark
    that is not blocked, and skips the marks of one class together when one of them does not
    compose. There are fewer rounds than combining classes, however long the text.
    """

    def __init__(self, rank: ValueTable) -> None:
        super().__init__()
        pairs = unicode_data().compositions
        keys = sorted((a << 21) | b for a, b in pairs)
        self._keys = constant(np.array(keys, np.int64))
        self._composites = constant(
            np.array([pairs[key >> 21, key & 0x1FFFFF] for key in keys], np.int32)
        )
        marks = unicode_data().ranks
        self._rank = rank
        self._soft = FlagTable({b for _, b in pairs if b not in marks})

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        stream, removed, _ = self._composed(stream)
        return tf.boolean_mask(stream, tf.logical_not(removed))

    def with_counts(self, stream: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As a call; what is joined adds its count (int64 [n]) to that of what it joins."""
        stream, removed, hard = self._composed(stream)
        own = tf.where(removed, last_true(hard), tf.range(tf.size(stream, tf.int64)))
        counts = tf.math.unsorted_segment_sum(counts, own, tf.size(stream, tf.int64))
        kept = positions_of(tf.logical_not(removed))
        return tf.gather(stream, kept), tf.gather(counts, kept)

    def _composed(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The stream with composites; what they have taken in; what may start one: bool [n]."""
        ranks = self._rank(stream)
        soft = self._soft(stream)
        hard = tf.logical_not(tf.logical_or(ranks > 0, soft))
        later_hard = following(hard, True)
        heads = positions_of(tf.logical_and(hard, tf.logical_not(later_hard)))
        # where the next group starts, and for each element the end of its run of equal class
        group_end = tf.gather(following_true(hard), heads)
        before = previous(ranks, 0)
        new_class = tf.logical_or(tf.equal(ranks, 0), tf.not_equal(ranks, before))
        class_end = following_true(new_class)
        last_index = tf.size(stream, tf.int64) - 1

        def step(
            at: tf.Tensor, starter: tf.Tensor, blocked: tf.Tensor, removed: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            alive = at < group_end
            index = tf.minimum(at, last_index)
            c = tf.gather(stream, index)
            rank = tf.gather(ranks, index)
            key = tf.bitwise.left_shift(
                tf.cast(starter, tf.int64), tf.constant(21, tf.int64)
            ) + tf.cast(c, tf.int64)
            position = tf.minimum(
                lower_bound(self._keys, key),
                tf.size(self._keys, tf.int64) - 1,
            )
            found = tf.equal(tf.gather(self._keys, position), key)
            # blocked: a mark that stays lies between, of the same class or (a starter) any
            free = tf.logical_or(tf.equal(blocked, 0), tf.logical_and(rank > 0, rank > blocked))
            joined = tf.logical_and(alive, tf.logical_and(found, free))
            starter = tf.where(joined, tf.gather(self._composites, position), starter)
            gone = tf.boolean_mask(index, joined)[:, tf.newaxis]
            removed = tf.tensor_scatter_nd_update(removed, gone, tf.ones_like(gone[:, 0], tf.bool))
            stays = tf.logical_and(alive, tf.logical_not(joined))
            blocked = tf.where(stays, rank, blocked)
            # a starter that stays ends the group; a mark that stays blocks the rest of its class
            skip = tf.where(rank > 0, tf.gather(class_end, index), group_end)
            at = tf.where(stays, skip, at + 1)
            return at, starter, blocked, removed

        starters = tf.gather(stream, heads)
        _, starters, _, removed = tf.while_loop(
            lambda at, *_: tf.reduce_any(at < group_end),
            step,
            (
                heads + 1,
                starters,
                tf.zeros_like(starters),
                tf.zeros_like(hard),
            ),
        )
        stream = tf.tensor_scatter_nd_update(stream, column(heads), starters)
        return stream, removed, hard


def consumed_sources(counts: tf.Tensor) -> tf.Tensor:
    """Which element each one stands for, when it takes the place of so many of the text before.

    So the Rust library aligns texts (`NormalizedString::transform`): one that takes the place of
    none stands with the one before it.

    Args:
        counts: int64 [m].

    Returns:
        int64 [m].
    """
    before = tf.cumsum(counts, exclusive=True)
    return tf.where(counts > 0, before, tf.maximum(before - 1, 0))


class UnicodeForm(tf.Module):
    """One of the four forms.

    Args:
        form: "NFC", "NFD", "NFKC" or "NFKD".
    """

    def __init__(self, form: str) -> None:
        super().__init__()
        data = unicode_data()
        base = "NFKD" if "K" in form else "NFD"
        parts = decomposition(base)
        self._decompose = MapTable(parts)
        self._reorder = Reorder()
        self._composes = form.endswith("C")
        if self._composes:
            self._compose = Compose(self._reorder.rank)
            alone = probe.changes([{"type": form}])
            self._alone = MapTable(alone)
            seconds = {b for _, b in data.compositions}
            active = seconds | set(data.ranks)
            # a normalized string joined to another is normalized unless the second begins with
            # a mark or with the second of a pair
            self._active = FlagTable(
                {c for c in active | set(alone) if alone.get(c, (c,))[0] in active}
                | {c for c in alone if not alone[c]}
            )

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        if not self._composes:
            return self._full(stream)
        return branch(
            tf.reduce_any(self._active(stream)),
            lambda: self._full(stream),
            lambda: self._alone(stream),
        )

    def _full(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m], whether or not it is normalized already."""
        stream = self._reorder(self._decompose(stream))
        return self._compose(stream) if self._composes else stream

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`."""
        values, _, number = self._decompose.with_sources(stream)
        values, consumes = self._reorder.with_flags(values, tf.equal(number, 0))
        counts = tf.cast(consumes, tf.int64)
        if self._composes:
            values, counts = self._compose.with_counts(values, counts)
        return values, consumed_sources(counts)
