"""Masking inside the data graph: stateless, so that a run can be repeated and resumed exactly.

Every random number belongs to a (seed, purpose, position of the row, column). Positions count the
rows of a whole run, so masks are new each epoch, and they do not depend on how rows are grouped
into batches, micro-batches, replicas or workers. Philox (Salmon et al., 2011), the generator of
TensorFlow's stateless ops, gives this for nothing: its counter is set to the first row's place.

The procedure is BERT's (Devlin et al., 2019): a share of the tokens is predicted; of those 80 %
become the mask token, 10 % a random token, 10 % stay. Whole words are selected together
(`whole_word_mask`), or spans of words whose lengths are geometric (`span_masking`; SpanBERT,
Joshi et al., 2020), where one draw decides what the whole span is replaced by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.config import MaskingConfig
from tfmlm.data.packing import (
    CONTINUES,
    ID_MASK,
    PADDING,
    STARTS_TEXT,
    TYPE_MASK,
    TYPE_SHIFT,
    Vocabulary,
)

IGNORED = -100
_SELECT, _REPLACE, _DRAW, _LENGTH, _ROUND = range(5)
_PHILOX = 1


@dataclass(frozen=True)
class Unpacked:
    """Packed tokens taken apart; tensors [batch, tokens].

    Attributes:
        ids: int32.
        attention_mask: int32, 0 at padding.
        token_type_ids: int32.
        continues: bool, the token continues the word before it.
        document_ids: int32, the number of the token's text in its row, from 0; all 0 where rows
            hold one text each.
    """

    ids: tf.Tensor
    attention_mask: tf.Tensor
    token_type_ids: tf.Tensor
    continues: tf.Tensor
    document_ids: tf.Tensor


def unpack(packed: tf.Tensor) -> Unpacked:
    """Takes packed tokens (`tfmlm.data.packing`) [batch, tokens] apart."""
    packed = tf.cast(packed, tf.int32)
    padding = tf.bitwise.bitwise_and(packed, PADDING) != 0
    starts = tf.cast(tf.bitwise.bitwise_and(packed, STARTS_TEXT) != 0, tf.int32)
    return Unpacked(
        ids=tf.bitwise.bitwise_and(packed, ID_MASK),
        attention_mask=1 - tf.cast(padding, tf.int32),
        token_type_ids=tf.bitwise.bitwise_and(
            tf.bitwise.right_shift(packed, TYPE_SHIFT), TYPE_MASK
        ),
        continues=tf.bitwise.bitwise_and(packed, CONTINUES) != 0,
        document_ids=tf.maximum(tf.cumsum(starts, axis=1) - 1, 0),
    )


class Masker:
    """Masks batches of packed tokens.

    Args:
        config: rates and kind of masking.
        vocabulary: which ids are special, and what may be drawn.
        seed: another seed gives other masks.
        width: number of random numbers reserved for a row: at least the longest row's tokens.
    """

    def __init__(
        self, config: MaskingConfig, vocabulary: Vocabulary, seed: int, width: int
    ) -> None:
        self._config = config
        self._vocabulary = vocabulary
        self._seed = seed
        self._width = -(-width // 4) * 4  # Philox makes four numbers at a time
        special = np.zeros(vocabulary.size, bool)
        special[list(vocabulary.special_ids)] = True
        self._special = special
        self._drawable = vocabulary.drawable_ids()

    def __call__(
        self,
        packed: tf.Tensor,
        first_position: Any,
        stream: Any = 0,
        probability: Any = None,
    ) -> tuple[Unpacked, tf.Tensor]:
        """Masks one batch.

        Args:
            packed: integer [batch, tokens].
            first_position: int64 scalar, the position of the batch's first row in the run; the
                others follow it.
            stream: int64 scalar; another one gives other masks at the same positions.
            probability: share of the tokens to predict, float32 scalar; None: the config's.

        Returns:
            The tokens with `ids` masked, and the labels int32 [batch, tokens]: the true id where
            a token is to be predicted, elsewhere −100. Special tokens and padding are never
            selected; each row with other tokens has at least one selected.
        """
        if probability is None:
            probability = self._config.mlm_probability
        tokens = unpack(packed)
        special = tf.gather(tf.constant(self._special), tokens.ids)
        maskable = (tokens.attention_mask == 1) & ~special
        draws = _Draws(self._seed, self._width, first_position, stream, tf.shape(tokens.ids))
        if self._config.span_masking:
            starts = _word_starts(tokens, maskable)
            selected, owner = self._select_spans(
                draws, maskable, starts, tokens.document_ids, probability
            )
        else:
            first = None
            if self._config.whole_word_mask:
                first = _position_of_last(_word_starts(tokens, maskable))
            selected, owner = self._select_words(draws, maskable, first, probability), None
        labels = tf.where(selected, tokens.ids, IGNORED)
        ids = self._replace(draws, tokens.ids, selected, owner)
        return replace(tokens, ids=ids), labels

    def _select_words(
        self, draws: _Draws, maskable: tf.Tensor, first: tf.Tensor | None, probability: Any
    ) -> tf.Tensor:
        """Selects each word with probability p, and the luckiest one where none would be.

        Args:
            first: int32 [batch, tokens], the column of the word's first token; None if each token
                is a word.
        """
        draw = draws.uniform(_SELECT)
        if first is not None:
            draw = tf.gather(draw, first, batch_dims=1)
        draw = tf.where(maskable, draw, 2.0)
        lowest = tf.reduce_min(draw, axis=1, keepdims=True)
        return maskable & ((draw < probability) | (draw == lowest))

    def _select_spans(
        self,
        draws: _Draws,
        maskable: tf.Tensor,
        starts: tf.Tensor,
        documents: tf.Tensor,
        probability: Any,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Adds spans in random order until the share of tokens is reached; none reaches from one
        text of a row into the next.

        Words of the last span that would exceed it are left out, but the first word is always in.
        """
        config = self._config
        shape = tf.shape(starts)
        rows, columns = shape[0], shape[1]
        count = tf.reduce_sum(tf.cast(maskable, tf.float32), axis=1)
        exact = count * probability
        budget = tf.cast(tf.floor(exact + draws.uniform(_ROUND)[:, 0]), tf.int32)

        # Every word start is a candidate, ranked by a draw; its length in words is a draw too.
        score = tf.where(starts, draws.uniform(_SELECT), 2.0)
        ranks = tf.argsort(tf.argsort(score, axis=1), axis=1)
        lengths = self._span_lengths(draws)

        # The span of lowest rank that covers a token owns it: look back word by word.
        column = tf.broadcast_to(tf.range(columns)[tf.newaxis], shape)
        first = _position_of_last(starts)
        rank, owner = tf.fill(shape, columns), column
        start, exists = first, maskable
        for back in range(config.max_span_length):
            exists &= tf.gather(starts, start, batch_dims=1)
            reaches = exists & (tf.gather(lengths, start, batch_dims=1) > back)
            candidate = tf.where(reaches, tf.gather(ranks, start, batch_dims=1), columns)
            owner = tf.where(candidate < rank, start, owner)
            rank = tf.minimum(rank, candidate)
            exists &= start > 0
            start = tf.gather(first, tf.maximum(start - 1, 0), batch_dims=1)
            exists &= tf.gather(documents, start, batch_dims=1) == documents
        any_cover = rank < columns
        word = tf.cumsum(tf.cast(starts, tf.int32), axis=1)

        # Tokens in the order in which they come in; a word counts when its last token does.
        order = tf.argsort(rank * columns + column, axis=1)
        place = tf.scatter_nd(
            tf.stack([tf.repeat(tf.range(rows), columns), tf.reshape(order, [-1])], axis=1),
            tf.reshape(column, [-1]),
            shape,
        )
        segment = tf.where(maskable, word, 0) + tf.range(rows)[:, tf.newaxis] * (columns + 1)
        last_place = tf.math.unsorted_segment_max(
            tf.reshape(place, [-1]), tf.reshape(segment, [-1]), rows * (columns + 1)
        )
        last_place = tf.gather(last_place, segment)
        first_chosen = tf.gather(word, order[:, :1], batch_dims=1)
        fits = (last_place < budget[:, tf.newaxis]) | (word == first_chosen)
        return any_cover & fits & maskable, owner

    def _span_lengths(self, draws: _Draws) -> tf.Tensor:
        """Geometric lengths in words, cut to `max_span_length` by renormalising, as SpanBERT."""
        lengths = np.arange(1, self._config.max_span_length + 1)
        p = self._config.span_geometric_p
        weights = p * (1 - p) ** (lengths - 1)
        edges = np.cumsum(weights / weights.sum())[:-1].astype(np.float32)
        draw = draws.uniform(_LENGTH)
        found = tf.searchsorted(tf.constant(edges), tf.reshape(draw, [-1]), side="right")
        return 1 + tf.reshape(found, tf.shape(draw))

    def _replace(
        self, draws: _Draws, ids: tf.Tensor, selected: tf.Tensor, owner: tf.Tensor | None
    ) -> tf.Tensor:
        """Replaces the selected ids; tokens with the same owner (a column) share one draw of the
        kind, without owners each token has its own."""
        config = self._config
        kind = draws.uniform(_REPLACE)
        if owner is not None:
            kind = tf.gather(kind, owner, batch_dims=1)
        masked = selected & (kind < config.mask_replace_prob)
        drawn = selected & ~masked & (kind < config.mask_replace_prob + config.random_replace_prob)
        ids = tf.where(masked, self._vocabulary.mask_id, ids)
        if config.random_replace_prob > 0 and len(self._drawable):
            other = tf.gather(tf.constant(self._drawable), draws.integers(len(self._drawable)))
            ids = tf.where(drawn, other, ids)
        return ids


class _Draws:
    """Random numbers [batch, tokens] of the rows that begin at `first_position`."""

    def __init__(
        self, seed: int, width: int, first_position: Any, stream: Any, shape: tf.Tensor
    ) -> None:
        self._seed = seed
        self._width = width
        self._shape = shape
        first = tf.cast(first_position, tf.uint64) * tf.constant(width // 4, tf.uint64)
        self._counter = tf.stack([first, tf.cast(stream, tf.uint64)])

    def _key(self, purpose: int) -> tf.Tensor:
        return tf.constant([self._seed * 16 + purpose], tf.uint64)

    def _full_shape(self) -> tf.Tensor:
        return tf.stack([self._shape[0], self._width])

    def uniform(self, purpose: int) -> tf.Tensor:
        """float32 in [0, 1)."""
        numbers = tf.raw_ops.StatelessRandomUniformV2(
            shape=self._full_shape(), key=self._key(purpose), counter=self._counter, alg=_PHILOX
        )
        return numbers[:, : self._shape[1]]

    def integers(self, high: int) -> tf.Tensor:
        """int32 in [0, high)."""
        numbers = tf.raw_ops.StatelessRandomUniformIntV2(
            shape=self._full_shape(),
            key=self._key(_DRAW),
            counter=self._counter,
            alg=_PHILOX,
            minval=0,
            maxval=tf.constant(high, tf.int32),
        )
        return numbers[:, : self._shape[1]]


def _word_starts(tokens: Unpacked, maskable: tf.Tensor) -> tf.Tensor:
    """Which maskable tokens begin a word, bool [batch, tokens]."""
    return maskable & ~(tokens.continues & _shifted(maskable))


def _shifted(flags: tf.Tensor) -> tf.Tensor:
    """`flags` [batch, tokens] one column to the right, False in the first."""
    return tf.pad(flags[:, :-1], [[0, 0], [1, 0]])


def _position_of_last(starts: tf.Tensor) -> tf.Tensor:
    """For each column the last start at or before it (0 where there is none), int32."""
    columns = tf.range(tf.shape(starts)[1])[tf.newaxis]
    marked = tf.where(starts, columns, 0)
    return _cummax(marked)


def _cummax(values: tf.Tensor) -> tf.Tensor:
    """Running maximum along axis 1 of int32 [batch, n], by doubling."""
    length = tf.shape(values)[1]

    def widen(shift: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        moved = tf.pad(values[:, : length - shift], [[0, 0], [shift, 0]])
        return shift * 2, tf.maximum(values, moved)

    _, values = tf.while_loop(
        lambda shift, _: shift < length,
        widen,
        [tf.constant(1), values],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, None])],
    )
    return values
