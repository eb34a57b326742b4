"""Unigram: the most probable path of pieces, equal to the Rust library's `Unigram`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import GAP, BuildContext, Model
from tfmlm.tokenizer_graph.models._pieces import FIELD_MAX, PieceFinder
from tfmlm.tokenizer_graph.models._symbols import byte_tokens
from tfmlm.tokenizer_graph.models._viterbi import best_path
from tfmlm.tokenizer_graph.models._words import Located, Segmented, SubwordModel, TokenizeWord
from tfmlm.tokenizer_graph.ops.shift import column, positions_of, previous, upper_bound
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.ops.text import encode_words
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Unigram

# https://github.com/huggingface/tokenizers, models/unigram/model.rs, K_UNK_PENALTY
UNKNOWN_PENALTY = 10.0


class UnigramModel(SubwordModel):
    """A Unigram model.

    Args:
        spec: the model's settings.
        tokenize: the Rust model's `tokenize`.
        special: see `SubwordModel`.

    Raises:
        UnsupportedTokenizerError: scores are so high that unknown characters are preferred to
            pieces, a piece is made of unknown ones, or only some byte tokens are there for
            `byte_fallback`.
    """

    def __init__(
        self, spec: Unigram, tokenize: TokenizeWord, special: Mapping[bytes, int] | None = None
    ) -> None:
        assert spec.unk_id is not None  # the spec is checked
        ids = {piece: number for number, (piece, _) in enumerate(spec.vocab) if piece}
        super().__init__(ids, tokenize, special=special)
        scores = [score for _, score in spec.vocab]
        unknown_score = min(scores) - UNKNOWN_PENALTY
        self._check(spec, unknown_score)
        count = len(spec.vocab)
        self._unknown_id = spec.unk_id
        self._single_unknown, self._gap_piece = count, count + 1
        self._finder = PieceFinder(ids, self._single_unknown, self._gap_piece)
        self._scores = constant(np.array([*scores, unknown_score, 0.0], np.float64))
        found = byte_tokens(ids) if spec.byte_fallback else None
        self._bytes = None if found is None else constant(found.astype(np.int32))

    @staticmethod
    def _check(spec: Unigram, unknown_score: float) -> None:
        assert spec.unk_id is not None
        text, score = spec.vocab[spec.unk_id]
        if unknown_score + max(score, 0.0) >= min(score for _, score in spec.vocab):
            raise UnsupportedTokenizerError(
                "model.vocab", "scores so high that unknown characters are preferred to pieces"
            )
        # A run of unknown pieces is looked up as a whole; none must be found.
        known = {piece for piece, _ in spec.vocab}
        for number, (piece, _) in enumerate(spec.vocab):
            contains = text and text in piece and text != piece
            if contains and known.isdisjoint(piece.replace(text, "")):
                raise UnsupportedTokenizerError(
                    f"model.vocab[{number}]", f"{piece!r}, made of unknown pieces ({text!r})"
                )

    def _segment(self, stream: tf.Tensor, heads: tf.Tensor) -> Segmented:
        """See `SubwordModel`."""
        pieces, *_ = self._pieces(stream, heads, locate=False)
        separators = positions_of(tf.equal(pieces, self._gap_piece))
        return Segmented(pieces, separators[:-1] + 1, separators[1:])

    def _locate(self, stream: tf.Tensor, heads: tf.Tensor) -> Located:
        """See `SubwordModel`."""
        pieces, begins, ends = self._pieces(stream, heads, locate=True)
        separators = positions_of(tf.equal(pieces, self._gap_piece))
        return Located(pieces, separators[:-1] + 1, separators[1:], begins, ends)

    def _pieces(self, stream: tf.Tensor, heads: tf.Tensor, locate: bool) -> tuple[tf.Tensor, ...]:
        """Tokens int32 [m] with the gap's piece between words, and their positions if `locate`."""
        gap = tf.equal(stream, GAP)
        candidates = self._finder(stream)
        ends = tf.concat([heads[1:], tf.shape(stream, tf.int64) - 1], 0) - 1
        chosen, positions = best_path(candidates, self._scores, gap, ends)
        pieces = tf.cast(tf.bitwise.bitwise_and(tf.gather(chosen, positions), FIELD_MAX), tf.int32)
        unknown = tf.equal(pieces, self._single_unknown) | tf.equal(pieces, self._unknown_id)
        # before a piece stands the last position of another, or a gap's
        outputs = 3 if locate else 1
        return tf.cond(
            tf.reduce_any(unknown),
            lambda: self._resolve(stream, positions, pieces, unknown)[:outputs],
            lambda: (pieces, previous(positions, 0) + 1, positions + 1)[:outputs],
        )

    def _resolve(
        self, stream: tf.Tensor, positions: tf.Tensor, pieces: tf.Tensor, unknown: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Neighbouring unknown pieces become one unknown token, or the tokens of their bytes.

        Args:
            stream: int32 [n].
            positions: int64 [p], the last position of each piece.
            pieces: int32 [p].
            unknown: bool [p].

        Returns:
            Tokens int32 [m], and from where to where in the stream they go, int64 [m] each.
        """
        kept = positions_of(tf.logical_not(unknown & tf.roll(unknown, 1, 0)))
        single = tf.equal(pieces, self._single_unknown)
        fused = tf.gather(tf.where(single, self._unknown_id, pieces), kept)
        # A run is kept by its first piece; it ends where the next kept one begins.
        lasts = tf.concat([kept[1:], tf.shape(pieces, tf.int64)], 0) - 1
        begins = tf.gather(previous(positions, 0), kept) + 1
        ends = tf.gather(positions, lasts) + 1
        if self._bytes is None:
            return fused, begins, ends
        # a whole run that is the unknown piece as literal text is in the vocabulary
        literal = tf.equal(lasts, kept) & tf.logical_not(tf.gather(single, kept))
        spelled = positions_of(tf.gather(unknown, kept) & tf.logical_not(literal))
        characters = tf.raw_ops.RaggedRange(
            starts=tf.gather(begins, spelled),
            limits=tf.gather(ends, spelled),
            deltas=tf.ones_like(spelled),
        )
        strings = encode_words(
            tf.gather(stream, characters.rt_dense_values), characters.rt_nested_splits
        )
        data = tf.raw_ops.UnicodeDecode(
            input=strings, input_encoding="ISO-8859-1", Tsplits=tf.int64
        )
        count = tf.size(kept, tf.int64)
        index = tf.range(count)
        spans = data.row_splits + count
        starts = tf.tensor_scatter_nd_update(index, column(spelled), spans[:-1])
        limits = tf.tensor_scatter_nd_update(index + 1, column(spelled), spans[1:])
        order = tf.raw_ops.RaggedRange(starts=starts, limits=limits, deltas=tf.ones_like(starts))
        pool = tf.concat([fused, tf.gather(self._bytes, data.char_values)], 0)
        tokens = tf.size(order.rt_dense_values, tf.int64)
        run = upper_bound(order.rt_nested_splits[1:], tf.range(tokens))
        return (
            tf.gather(pool, order.rt_dense_values),
            tf.gather(begins, run),
            tf.gather(ends, run),
        )


@builds(Unigram)
def build(spec: Unigram, context: BuildContext) -> Model:
    """Compiles a Unigram model."""
    return UnigramModel(spec, context.tokenizer.model.tokenize, context.special)
