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
    Offsets,
    PostProcessor,
    PreTokenizer,
    Spans,
    Tokens,
)
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.byte_alphabet import utf8_lengths
from tfmlm.tokenizer_graph.ops.edit import splice
from tfmlm.tokenizer_graph.ops.matching import LiteralMatcher
from tfmlm.tokenizer_graph.ops.shift import (
    column,
    kept,
    positions_of,
    previous,
    repeated,
    upper_bound,
)
from tfmlm.tokenizer_graph.ops.tables import FlagTable, constant
from tfmlm.tokenizer_graph.ops.text import (
    cut_words,
    decode_rows,
    decode_rows_with_offsets,
    insert_barriers,
)
from tfmlm.tokenizer_graph.paths.mask_spans import align
from tfmlm.tokenizer_graph.post_processors.trim import Trim
from tfmlm.tokenizer_graph.spec import prepends_first


class GeneralPath(tf.Module):
    """The `Path` of code points: added tokens, normalizer, added tokens, pre-tokenizer, model.

    Args:
        context: the tokenizer.
        before, after: what finds added tokens before and after the normalizer.
        normalizer, pre_tokenizer, model: the compiled components.
        assemble: puts special tokens around a single text.
        trim: what the post-processor does to offsets.
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
        trim: Trim,
    ) -> None:
        super().__init__()
        spec = context.spec
        self._before, self._after = before, after
        self._normalizer, self._pre_tokenizer = normalizer, pre_tokenizer
        self._model, self._assemble, self._trim = model, assemble, trim
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
            lambda: _mark_lost_fronts(normalized, kept(lost, first)),
            lambda: normalized,
        )

    def _tokenize(self, stream: tf.Tensor) -> tuple[Tokens, tf.Tensor, tf.Tensor]:
        """Normalized int32 [n] -> ids; the barriers int32 [b]; where in the ids they are [b]."""
        starts = tf.fill(tf.shape(stream), False)
        if self._pre_tokenizer is not None:
            stream, starts = self._pre_tokenizer(stream, starts)
        words = cut_words(stream, starts)
        ids, id_splits = self._model(words.codepoints, words.splits)
        tokens, positions = insert_barriers(words, ids, id_splits, self._added_ids)
        return tokens, words.barriers, positions

    def spans(self, texts: tf.Tensor) -> Spans:
        """See `Path`."""
        stream, byte_starts = decode_rows_with_offsets(texts)
        raw = stream
        # code points where masks start, and where they end
        mask_bounds: tuple[tf.Tensor, tf.Tensor] | None = None
        origin = tf.range(tf.size(stream, tf.int64))
        ends = origin + 1
        if self._before is not None:
            found = self._before.extract(stream)
            stream, origin, ends = found.stream, found.origin, found.ends
        if self._normalizer is not None:
            if self._mask_is_normalized:
                mask_bounds = self._literal(raw, self._literal.candidates(raw))[:2]
            else:
                mask_bounds = self._masks(stream, origin, ends)
            stream = self._normalize(stream)
        if self._after is not None:
            found = self._after.extract(stream)
            stream = found.stream
            if self._normalizer is None:
                ends = tf.gather(ends, found.ends - 1)
                origin = tf.gather(origin, found.origin)
        if mask_bounds is None:
            mask_bounds = self._masks(stream, origin, ends)
        tokens, barriers, positions = self._tokenize(stream)
        span = tf.stack([tf.gather(byte_starts, bound) for bound in mask_bounds], 1)
        literal = kept(positions, tf.equal(barriers, self._mask_barrier))
        return align(raw, mask_bounds[0], span, tokens, literal, self._mask_id)

    def offsets(self, texts: tf.Tensor) -> Offsets:
        """tf.string [batch] -> ids, and where each token stands in its text.

        Raises:
            UnsupportedTokenizerError: the model or the post-processor does not allow it.
        """
        stream, byte_starts = decode_rows_with_offsets(texts)
        row_ends = positions_of(tf.equal(stream, ROW))
        # from which to which code point of all texts each element goes
        begins = tf.range(tf.size(stream, tf.int64))
        ends = begins + 1
        stripped = tf.zeros([tf.size(stream), 2], tf.int64)
        if self._before is not None:
            found = self._before.extract(stream)
            stream, begins, ends = found.stream, found.taken_from, found.taken_to
            stripped = found.stripped()
        if self._normalizer is not None:
            normalized, source = self._normalizer.with_sources(stream)
            if self._vanishing is not None:
                lost = self._vanishing(stream)
                normalized, source = _with_lost_fronts(stream, lost, normalized, source)
            stream, begins, ends = normalized, tf.gather(begins, source), tf.gather(ends, source)
            stripped = tf.gather(stripped, source)
        if self._after is not None:
            found = self._after.extract(stream)
            stream = found.stream
            begins = tf.gather(begins, found.taken_from)
            ends = tf.gather(ends, found.taken_to - 1)
            stripped = tf.gather(stripped, found.origin) + found.stripped()
        starts = tf.fill(tf.shape(stream), False)
        if self._pre_tokenizer is not None:
            stream, starts, source = self._pre_tokenizer.with_sources(stream, starts)
            begins, ends = tf.gather(begins, source), tf.gather(ends, source)
            stripped = tf.gather(stripped, source)
        words = cut_words(stream, starts)
        ids, id_splits, first, last = self._model.located(words.codepoints, words.splits)
        position = words.positions
        if self._model.counts_bytes:
            position = tf.gather(position, repeated(utf8_lengths(words.codepoints)))
        own = tf.stack(
            [
                tf.gather(begins, tf.gather(position, first)),
                tf.gather(ends, tf.gather(position, last - 1)),
            ],
            1,
        )
        tokens, positions = insert_barriers(words, ids, id_splits, self._added_ids)
        is_added = tf.not_equal(words.barriers, ROW)
        added_at = kept(positions, is_added)
        added = kept(words.barrier_positions, is_added)
        span = tf.stack([tf.gather(begins, added), tf.gather(ends, added)], 1)
        total = tf.size(tokens.ids, tf.int64)
        taken = tf.scatter_nd(column(added_at), tf.ones_like(added_at), total[tf.newaxis])
        order = tf.concat([positions_of(tf.equal(taken, 0)), added_at], 0)
        shape = tf.stack([total, 2])
        span = tf.scatter_nd(column(order), tf.concat([own, span], 0), shape)
        row = upper_bound(tokens.splits[1:], tf.range(total))
        row_starts = tf.concat([tf.zeros([1], tf.int64), row_ends + 1], 0)
        start = tf.gather(row_starts, row)[:, tf.newaxis]
        stripped = tf.scatter_nd(column(added_at), tf.gather(stripped, added), shape)
        characters = self._trim(tokens, span - start, stripped)
        return Offsets(tokens, characters, tf.gather(byte_starts, characters + start))

    def _masks(
        self, stream: tf.Tensor, origin: tf.Tensor, ends: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """From where to where (int64 [n] each) the mask tokens of a stream (int32 [n]) go."""
        index = positions_of(tf.equal(stream, self._mask_barrier))
        return tf.gather(origin, index), tf.gather(ends, index)


def _mark_lost_fronts(stream: tf.Tensor, lost: tf.Tensor) -> tf.Tensor:
    """Puts a GAP before the flagged rows (bool [batch]), whose first character was dropped.

    What follows is then not at offset 0 of the text, which Metaspace's `first` asks for.
    """
    ends = positions_of(tf.equal(stream, ROW))
    row_starts = tf.concat([[0], ends[:-1] + 1], 0)
    positions = kept(row_starts, lost)
    index = splice(tf.size(stream, tf.int64), positions, positions, 1)
    return tf.gather(tf.concat([stream, [GAP]], 0), index)


def _with_lost_fronts(
    stream: tf.Tensor, vanishes: tf.Tensor, normalized: tf.Tensor, source: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """As `_mark_lost_fronts`, with sources.

    Args:
        stream: int32 [n], before the normalizer.
        vanishes: bool [n], what leaves nothing there.
        normalized: int32 [m].
        source: int64 [m].
    """
    first = tf.equal(previous(stream, ROW), ROW)
    lost = kept(tf.logical_and(vanishes, first), first)
    ends = positions_of(tf.equal(normalized, ROW))
    positions = kept(tf.concat([[0], ends[:-1] + 1], 0), lost)
    index = splice(tf.size(normalized, tf.int64), positions, positions, 1)
    return (
        tf.gather(tf.concat([normalized, [GAP]], 0), index),
        tf.gather(tf.concat([source, [0]], 0), index),
    )


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
