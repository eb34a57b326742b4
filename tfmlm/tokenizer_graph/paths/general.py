"""The path that takes every row: code points through all components."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import probe, registry
from tfmlm.tokenizer_graph.added_tokens import AddedTokenPass
from tfmlm.tokenizer_graph.component import (
    ADDED,
    GAP,
    ROW,
    BuildContext,
    Model,
    Normalizer,
    PostProcessor,
    PreTokenizer,
    Spans,
    Tokens,
)
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.edit import splice
from tfmlm.tokenizer_graph.ops.matching import LiteralMatcher
from tfmlm.tokenizer_graph.ops.shift import places_of, previous
from tfmlm.tokenizer_graph.ops.tables import FlagTable, constant
from tfmlm.tokenizer_graph.ops.text import (
    cut_words,
    decode_rows,
    decode_rows_with_offsets,
    place_barriers,
)
from tfmlm.tokenizer_graph.paths.mask_spans import align
from tfmlm.tokenizer_graph.spec import prepends_first


class GeneralPath(tf.Module):
    """The `Path` of code points: added tokens, normalizer, added tokens, pre-tokenizer, model.

    Args:
        context: the tokenizer.
        before, after: what finds added tokens before and after the normalizer.
        normalizer, pre_tokenizer, model: the compiled components.
        assemble: puts special tokens around a single text.
    """

    def __init__(
        self,
        context: BuildContext,
        before: AddedTokenPass | None,
        normalizer: Normalizer | None,
        after: AddedTokenPass | None,
        pre_tokenizer: PreTokenizer | None,
        model: Model,
        assemble: PostProcessor,
    ) -> None:
        super().__init__()
        spec = context.spec
        self._before, self._after = before, after
        self._normalizer, self._pre_tokenizer = normalizer, pre_tokenizer
        self._model, self._assemble = model, assemble
        self._vanishing = None
        if spec.normalizer is not None and prepends_first(spec.pre_tokenizer):
            component = [spec.normalizer.to_json()]
            normalize = probe.normalizer(component)
            tail = next((c for c in "abcxyz019" if normalize(c)), "")
            vanishing = probe.vanishing(component, tail)
            self._vanishing = FlagTable(vanishing) if len(vanishing) else None
        self._added_ids = constant(
            np.array([*(token.id for token in spec.added_tokens), 0], np.int32)
        )
        number, mask = context.mask or (-1, None)
        self._mask_barrier = ADDED + number if mask else -1
        mask_id = spec.config.mask_token_id
        self._mask_id = -1 if mask_id is None else mask_id
        self._mask_is_normalized = mask is not None and mask.normalized
        if mask is not None and mask.normalized and normalizer is not None:
            self._literal = LiteralMatcher([tuple(map(ord, mask.content))])

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        """See `Path`: every row."""
        return tf.fill(tf.shape(texts), True)

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        """See `Path`."""
        stream = decode_rows(texts)
        if self._before is not None:
            stream = self._before(stream)
        if self._normalizer is not None:
            stream = self._normalize(stream)
        if self._after is not None:
            stream = self._after(stream)
        tokens = self._tokenize(stream)[0]
        return self._assemble([tokens])[0] if with_special_tokens else tokens

    def _normalize(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m]."""
        if self._normalizer is None:
            return stream
        if self._vanishing is None:
            return self._normalizer(stream)
        first = tf.equal(previous(stream, ROW), ROW)
        lost = tf.logical_and(self._vanishing(stream), first)
        normalized = self._normalizer(stream)
        return branch(
            tf.reduce_any(lost),
            lambda: _mark_lost_fronts(normalized, tf.boolean_mask(lost, first)),
            lambda: normalized,
        )

    def _tokenize(self, stream: tf.Tensor) -> tuple[Tokens, tf.Tensor, tf.Tensor]:
        """Normalized int32 [n] -> ids; the barriers int32 [b]; where in the ids they are [b]."""
        starts = tf.fill(tf.shape(stream), False)
        if self._pre_tokenizer is not None:
            stream, starts = self._pre_tokenizer(stream, starts)
        words = cut_words(stream, starts)
        ids, id_splits = self._model(words.codepoints, words.splits)
        tokens, positions = place_barriers(words, ids, id_splits, self._added_ids)
        return tokens, words.barriers, positions

    def spans(self, texts: tf.Tensor) -> Spans:
        """See `Path`."""
        stream, byte_starts = decode_rows_with_offsets(texts)
        raw = stream
        places: tuple[tf.Tensor, tf.Tensor] | None = None  # code points where masks start and end
        origin = tf.range(tf.size(stream, tf.int64))
        ends = origin + 1
        if self._before is not None:
            found = self._before.extract(stream)
            stream, origin, ends = found.stream, found.origin, found.ends
        if self._normalizer is not None:
            if self._mask_is_normalized:
                places = self._literal(raw, self._literal.candidates(raw))[:2]
            else:
                places = self._masks(stream, origin, ends)
            stream = self._normalize(stream)
        if self._after is not None:
            found = self._after.extract(stream)
            stream = found.stream
            if self._normalizer is None:
                ends = tf.gather(ends, found.ends - 1)
                origin = tf.gather(origin, found.origin)
        if places is None:
            places = self._masks(stream, origin, ends)
        tokens, barriers, positions = self._tokenize(stream)
        span = tf.stack([tf.gather(byte_starts, places[0]), tf.gather(byte_starts, places[1])], 1)
        literal = tf.boolean_mask(positions, tf.equal(barriers, self._mask_barrier))
        return align(raw, places[0], span, tokens, literal, self._mask_id)

    def _masks(
        self, stream: tf.Tensor, origin: tf.Tensor, ends: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """From where to where (int64 [n] each) the mask tokens of a stream (int32 [n]) go."""
        index = places_of(tf.equal(stream, self._mask_barrier))
        return tf.gather(origin, index), tf.gather(ends, index)


def _mark_lost_fronts(stream: tf.Tensor, lost: tf.Tensor) -> tf.Tensor:
    """Puts a GAP before the flagged rows (bool [batch]), whose first character was dropped.

    What follows is then not at offset 0 of the text, which Metaspace's `first` asks for.
    """
    ends = places_of(tf.equal(stream, ROW))
    row_starts = tf.concat([[0], ends[:-1] + 1], 0)
    places = tf.boolean_mask(row_starts, lost)
    index = splice(tf.size(stream, tf.int64), places, places, 1)
    return tf.gather(tf.concat([stream, [GAP]], 0), index)


def components(
    context: BuildContext,
) -> tuple[Normalizer | None, PreTokenizer | None]:
    """The compiled normalizer and pre-tokenizer; `None` where the tokenizer has none."""
    spec = context.spec
    normalizer, pre_tokenizer = (
        None if part is None else registry.builder(part)(part, context)
        for part in (spec.normalizer, spec.pre_tokenizer)
    )
    return normalizer, pre_tokenizer
