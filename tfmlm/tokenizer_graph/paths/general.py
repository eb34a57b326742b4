"""From a `TokenizerSpec` to the module that turns texts into ids without special tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import probe, registry
from tfmlm.tokenizer_graph.added_tokens import build_passes
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.edit import splice
from tfmlm.tokenizer_graph.ops.matching import LiteralMatcher
from tfmlm.tokenizer_graph.ops.shift import column, lower_bound, places_of, previous, upper_bound
from tfmlm.tokenizer_graph.ops.tables import FlagTable, constant
from tfmlm.tokenizer_graph.ops.text import (
    Tokens,
    cut_words,
    decode_rows,
    decode_rows_with_offsets,
    place_barriers,
)
from tfmlm.tokenizer_graph.paths import strings as plain_words
from tfmlm.tokenizer_graph.paths import wordpiece as fused
from tfmlm.tokenizer_graph.paths.strings import PlainWords, interleave
from tfmlm.tokenizer_graph.post_processors.assemble import Assembler
from tfmlm.tokenizer_graph.registry import ADDED, GAP, ROW, BuildContext
from tfmlm.tokenizer_graph.spec import prepends_first


class Spans(NamedTuple):
    """Tokens with the byte spans of the mask tokens.

    Attributes:
        tokens: ids of the rows.
        span: int64 [masks, 2] for every mask id in `tokens.ids`, in order.
        splits: int64 [batch + 1], rows of `span`.
    """

    tokens: Tokens
    span: tf.Tensor
    splits: tf.Tensor


class Pipeline(tf.Module):
    """Texts to ids: added tokens, normalizer, added tokens, pre-tokenizer, model.

    Args:
        around: ids before and behind a single text.
    """

    def __init__(self, context: BuildContext, around: tuple[list[int], list[int]]) -> None:
        super().__init__()
        spec = context.spec
        self._before, self._after = build_passes(context)
        self._normalizer = _build(spec.normalizer, context)
        self._vanishing = None
        if spec.normalizer is not None and prepends_first(spec.pre_tokenizer):
            component = [spec.normalizer.to_json()]
            normalize = probe.normalizer(component)
            tail = next((c for c in "abcxyz019" if normalize(c)), "")
            vanishing = probe.vanishing(component, tail)
            self._vanishing = FlagTable(vanishing) if len(vanishing) else None
        self._pre_tokenizer = _build(spec.pre_tokenizer, context)
        self._rows = fused.build(
            context, self._before, self._normalizer, self._after, self._pre_tokenizer, around
        )
        self._plain = None if self._rows is not None else plain_words.build(context, around)
        if self._plain is not None:
            context = replace(context, marks=self._plain.marks)
        self._model: Any = None
        if self._rows is None or not self._rows.masks_are_literal:
            self._model = registry.builder(spec.model)(spec.model, context)
        added = [token.id for token in spec.added_tokens]
        self._added_ids = constant(np.array([*added, 0], np.int32))
        masks = [k for k, t in enumerate(spec.added_tokens) if t.content == spec.config.mask_token]
        self._mask_barrier = ADDED + masks[0] if masks else -1
        self._mask_id = spec.config.mask_token_id
        self._mask_is_normalized = bool(masks) and spec.added_tokens[masks[0]].normalized
        if self._mask_is_normalized and self._normalizer is not None:
            self._literal = LiteralMatcher([tuple(map(ord, spec.added_tokens[masks[0]].content))])

    def __call__(self, texts: tf.Tensor) -> Tokens:
        """tf.string [batch] -> ids without special tokens."""
        if self._rows is not None:
            return self._rows(texts)
        return self._by_words(texts, None)

    def with_special_tokens(self, texts: tf.Tensor, assemble: Assembler) -> Tokens:
        """As a call, with the special tokens of a single text.

        Args:
            assemble: puts them around ids for which no shorter way does it.
        """
        if self._rows is not None:
            return self._rows(texts, around=True)
        return self._by_words(texts, assemble)

    def _by_words(self, texts: tf.Tensor, assemble: Assembler | None) -> Tokens:
        def finished(tokens: Tokens) -> Tokens:
            return tokens if assemble is None else assemble([tokens])[0]

        if self._plain is None:
            return finished(self._by_codepoints(texts))
        finder, plain = self._plain, self._plain.matches(texts)

        def mixed() -> Tokens:
            own, others = (tf.boolean_mask(texts, which) for which in (plain, ~plain))
            first, second = self._plainly(finder, own), self._by_codepoints(others)
            return finished(interleave(first, second, plain))

        return branch(
            tf.reduce_all(plain),
            lambda: self._plainly(finder, texts, around=assemble is not None),
            mixed,
        )

    def _plainly(self, finder: PlainWords, texts: tf.Tensor, around: bool = False) -> Tokens:
        """As a call, for plain rows."""
        words, splits = finder.words(texts, around)
        ids, id_splits = self._model.tokens_of(words)
        return Tokens(ids, tf.gather(id_splits, splits))

    def _by_codepoints(self, texts: tf.Tensor) -> Tokens:
        """As a call, for any rows."""
        stream = decode_rows(texts)
        if self._before is not None:
            stream = self._before(stream)
        if self._normalizer is not None:
            stream = self._normalize(stream)
        if self._after is not None:
            stream = self._after(stream)
        return self._tokenize(stream)[0]

    def _normalize(self, stream: tf.Tensor) -> tf.Tensor:
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
        starts = tf.fill(tf.shape(stream), False)
        if self._pre_tokenizer is not None:
            stream, starts = self._pre_tokenizer(stream, starts)
        words = cut_words(stream, starts)
        ids, id_splits = self._model(words.codepoints, words.splits)
        tokens, positions = place_barriers(words, ids, id_splits, self._added_ids)
        return tokens, words.barriers, positions

    def with_mask_spans(self, texts: tf.Tensor) -> Spans:
        """As a call, with the byte span of each mask token in the caller's text.

        A mask id that does not come from the literal mask token in the text (a normalizer can
        make one out of other characters) has the span (-1, -1).
        """
        if self._rows is not None and self._rows.masks_are_literal:
            tokens, span = self._rows.with_mask_spans(texts)
            masks = places_of(tf.equal(tokens.ids, self._rows.mask_id))
            return Spans(tokens, span, lower_bound(masks, tokens.splits))
        if self._plain is None:
            return self._spans_by_codepoints(texts)
        finder, plain = self._plain, self._plain.matches(texts)

        def plainly(rows: tf.Tensor) -> Spans:
            return Spans(self._plainly(finder, rows), *finder.mask_spans(rows))

        def mixed() -> Spans:
            first = plainly(tf.boolean_mask(texts, plain))
            second = self._spans_by_codepoints(tf.boolean_mask(texts, ~plain))
            span, splits = interleave(Tokens(*first[1:]), Tokens(*second[1:]), plain)
            return Spans(interleave(first.tokens, second.tokens, plain), span, splits)

        return branch(tf.reduce_all(plain), lambda: plainly(texts), mixed)

    def _spans_by_codepoints(self, texts: tf.Tensor) -> Spans:
        stream, byte_starts = decode_rows_with_offsets(texts)
        raw = stream
        places: tuple[tf.Tensor, tf.Tensor] | None = None  # code points where masks start and end
        origin = tf.range(tf.size(stream, tf.int64))
        ends = origin + 1
        if self._before is not None:
            found = self._before.extract(stream)
            stream, origin, ends = found
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
        return self._align(raw, places[0], span, tokens, barriers, positions)

    def _masks(self, stream, origin, ends) -> tuple[tf.Tensor, tf.Tensor]:
        index = places_of(tf.equal(stream, self._mask_barrier))
        return tf.gather(origin, index), tf.gather(ends, index)

    def _align(self, raw, places, span, tokens, barriers, positions) -> Spans:
        """Gives each mask id its span; rows in which the counts differ get (-1, -1)."""
        mask_id = -1 if self._mask_id is None else self._mask_id
        mask_positions = places_of(tf.equal(tokens.ids, mask_id))
        splits = lower_bound(mask_positions, tokens.splits)
        literal = tf.boolean_mask(positions, tf.equal(barriers, self._mask_barrier))
        row_ends = places_of(tf.equal(raw, ROW))
        in_text = lower_bound(places, row_ends)
        in_ids = lower_bound(literal, tokens.splits[1:])
        same = tf.equal(_differences(in_text), _differences(in_ids))
        text_row = lower_bound(row_ends, places)
        id_row = upper_bound(tokens.splits[1:], literal)
        target = lower_bound(mask_positions, tf.boolean_mask(literal, tf.gather(same, id_row)))
        # scattered with one added, so that what is left out comes to -1
        shape = tf.stack([tf.size(mask_positions, tf.int64), 2])
        known = tf.boolean_mask(span, tf.gather(same, text_row))
        return Spans(tokens, tf.scatter_nd(column(target), known + 1, shape) - 1, splits)


def _differences(cumulated: tf.Tensor) -> tf.Tensor:
    return cumulated - previous(cumulated, 0)


def _mark_lost_fronts(stream: tf.Tensor, lost: tf.Tensor) -> tf.Tensor:
    """Puts a GAP before the flagged rows (bool [batch]), whose first character was dropped.

    What follows is then not at offset 0 of the text, which Metaspace's `first` asks for.
    """
    ends = places_of(tf.equal(stream, ROW))
    row_starts = tf.concat([[0], ends[:-1] + 1], 0)
    places = tf.boolean_mask(row_starts, lost)
    index = splice(tf.size(stream, tf.int64), places, places, 1)
    return tf.gather(tf.concat([stream, [GAP]], 0), index)


def _build(spec, context: BuildContext):
    return None if spec is None else registry.builder(spec)(spec, context)
