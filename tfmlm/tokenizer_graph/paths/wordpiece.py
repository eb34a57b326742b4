"""The short way for WordPiece: raw text to ids with a table, an encoder and one op.

Taken where words are cut by the class of each character alone (BertPreTokenizer,
WhitespaceSplit). What the table cannot answer (added tokens, code points that become several, marks
that stay) goes the general way for its batch, and comes back to the same op.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfmlm.tokenizer_graph.added_tokens import AddedTokenPass
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree
from tfmlm.tokenizer_graph.normalizers.sequence import Chain
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.shift import lower_bound, places_of, upper_bound
from tfmlm.tokenizer_graph.ops.tables import ValueTable
from tfmlm.tokenizer_graph.ops.text import Tokens, mark_rows
from tfmlm.tokenizer_graph.paths import wordpiece_strings as plain_rows
from tfmlm.tokenizer_graph.paths.wordpiece_rows import (
    BREAK,
    SLOW,
    SPACE,
    RowSpelling,
    WordPieceRows,
    fused_entries,
)
from tfmlm.tokenizer_graph.pre_tokenizers.by_class import IsolateOrRemove
from tfmlm.tokenizer_graph.registry import ADDED, ROW, BuildContext
from tfmlm.tokenizer_graph.spec import WordPiece


class RowPipeline(tf.Module):
    """Texts to ids, whole rows at once. Made by `build`."""

    def __init__(
        self,
        context: BuildContext,
        spelling: RowSpelling,
        before: AddedTokenPass | None,
        normalizer: tf.Module | None,
        after: AddedTokenPass | None,
        around: tuple[list[int], list[int]],
    ) -> None:
        super().__init__()
        spec = context.spec
        model: Any = spec.model  # a WordPiece, `build` has looked
        self._before, self._normalizer, self._after = before, normalizer, after
        self._rows = WordPieceRows(model, spelling, spec.added_tokens, around)
        masks = [k for k, t in enumerate(spec.added_tokens) if t.content == spec.config.mask_token]
        self.mask_barrier = ADDED + masks[0] if masks else -1
        self.mask_id = -1 if spec.config.mask_token_id is None else spec.config.mask_token_id
        self.masks_are_literal = not masks or (
            before is not None
            and not spec.added_tokens[masks[0]].normalized
            and not spelling.makes(model, self.mask_id)
        )
        table = spelling.table()
        self._spelled = ValueTable(table)
        self._fused = self._fused_found = self._plain = None
        if after is None and (normalizer is None or isinstance(normalizer, ContextFree)):
            if isinstance(normalizer, ContextFree):
                table = fused_entries(spelling, normalizer.effect.changes, normalizer.effect.slow)
            # once added tokens are out, their first characters are like any others
            self._fused_found = ValueTable(table)
            self._may_be_slow = bool((table >= SLOW).any())
            mask = (masks[0], chr(spelling.added[masks[0]])) if masks else None
            self._plain = plain_rows.build(
                table,
                self._rows.takes_for_a_space,
                model.max_input_chars_per_word,
                before,
                mask,
            )
            if before is not None:
                table = table.copy()
                table[before.first_characters] = SLOW
            self._fused = ValueTable(table)
        # the newline that was put behind every row is as good as a ROW if it is just a space
        self._newline_ends = self._fused is not None and table[0x0A] == SPACE | BREAK

    def __call__(self, texts: tf.Tensor, around: bool = False) -> Tokens:
        """tf.string [batch] -> ids, with the special tokens of a single text if `around`."""
        if self._plain is None:
            spelled = self._by_codepoints(texts)
        else:
            rows, plain = self._plain(texts)

            def some() -> tf.Tensor:
                places = tf.where(tf.logical_not(plain))
                others = self._by_codepoints(tf.gather_nd(texts, places))
                return tf.tensor_scatter_nd_update(rows, places, others)

            spelled = branch(tf.reduce_all(plain), lambda: rows, some)
        ids, splits, _ = self._rows(spelled, around)
        return Tokens(ids, splits)

    def _by_codepoints(self, texts: tf.Tensor) -> tf.Tensor:
        """tf.string [batch] -> spelled rows, tf.string [batch]."""
        decoded = tf.raw_ops.UnicodeDecode(
            input=tf.strings.join([texts, "\n"]), input_encoding="UTF-8", Tsplits=tf.int64
        )
        values, splits = decoded.char_values, decoded.row_splits
        if not self._newline_ends:
            values = mark_rows(values, splits)

        def slowly() -> tf.Tensor:
            stream = mark_rows(values, splits)
            if self._before is not None:
                stream = self._before(stream)
            return self._normalized(stream)

        if self._fused is None:
            return slowly()
        entries = self._fused(values)
        hard = tf.logical_or(tf.reduce_max(entries) >= SLOW, self._rows.may_be_too_long(entries))
        return branch(hard, slowly, lambda: self._rows.spelled_quickly(entries, splits))

    def with_mask_spans(self, texts: tf.Tensor) -> tuple[Tokens, tf.Tensor]:
        """ids, and the byte span of each mask token (int64 [masks, 2]), all rows in order."""
        if self._plain is None:
            spelled, span = self._by_codepoints_with_masks(texts)
            ids, splits, _ = self._rows(spelled, around=False)
            return Tokens(ids, splits), span
        rows, plain = self._plain(texts)

        def some() -> tuple[tf.Tensor, tf.Tensor]:
            places = tf.where(tf.logical_not(plain))
            others, span = self._by_codepoints_with_masks(tf.gather_nd(texts, places))
            return tf.tensor_scatter_nd_update(rows, places, others), span

        spelled, other_span = branch(
            tf.reduce_all(plain), lambda: (rows, tf.zeros([0, 2], tf.int64)), some
        )
        ids, splits, starts = self._rows(spelled, around=False)
        masks = places_of(tf.equal(ids, self.mask_id))
        # where a mask token stood in a plain row: each one before it was longer than its spelling
        row = upper_bound(splits[1:], masks)
        before = lower_bound(masks, tf.gather(splits, row))
        within = tf.range(tf.size(masks, tf.int64)) - before
        start = tf.gather(starts, masks) + within * self._plain.shrinks
        span = tf.stack([start, start + self._plain.mask_bytes], 1)
        elsewhere = tf.where(tf.logical_not(tf.gather(plain, row)))
        return Tokens(ids, splits), tf.tensor_scatter_nd_update(span, elsewhere, other_span)

    def _by_codepoints_with_masks(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Spelled rows, tf.string [batch], and the byte span of each mask token."""
        decoded = tf.raw_ops.UnicodeDecodeWithOffsets(
            input=tf.strings.join([texts, "\n"]), input_encoding="UTF-8", Tsplits=tf.int64
        )
        values, splits = decoded.char_values, decoded.row_splits
        if not self._newline_ends:
            values = mark_rows(values, splits)
        none = tf.zeros([0], tf.int64)

        def slowly():
            stream, starts, ends = mark_rows(values, splits), none, none
            if self._before is not None:
                stream, starts, ends = self._extract_masks(self._before, stream)
            return self._normalized(stream), starts, ends

        def quickly():
            return self._rows.spelled_quickly(entries, splits), none, none

        if self._fused is None:
            spelled, starts, ends = slowly()
        else:
            entries = self._fused(values)
            hard = tf.reduce_max(entries) >= SLOW
            hard = tf.logical_or(hard, self._rows.may_be_too_long(entries))
            spelled, starts, ends = branch(hard, slowly, quickly)
        byte = decoded.char_to_byte_starts
        return spelled, tf.stack([tf.gather(byte, starts), tf.gather(byte, ends)], 1)

    def _extract_masks(
        self, before: AddedTokenPass, stream: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        found = before.extract(stream)
        masks = places_of(tf.equal(found.stream, self.mask_barrier))
        return found.stream, tf.gather(found.origin, masks), tf.gather(found.ends, masks)

    def _normalized(self, stream: tf.Tensor) -> tf.Tensor:
        """Spelled rows, tf.string [batch], of a stream whose added tokens are found."""
        if self._fused_found is None:
            entries, splits = self._general(stream)
        else:
            entries = self._fused_found(stream)
            splits = _row_splits(stream)
            if self._may_be_slow:
                entries, splits = branch(
                    tf.reduce_max(entries) >= SLOW,
                    lambda: self._general(stream),
                    lambda: (entries, splits),
                )
        return self._rows.spelled(entries, splits)

    def _general(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if self._normalizer is not None:
            stream = self._normalizer(stream)
        if self._after is not None:
            stream = self._after(stream)
        return self._spelled(stream), _row_splits(stream)


def _row_splits(stream: tf.Tensor) -> tf.Tensor:
    """Row splits (int64 [batch + 1]) of a stream with `ROW`s."""
    ends = places_of(tf.equal(stream, ROW))
    return tf.concat([tf.zeros([1], tf.int64), ends + 1], 0)


def build(
    context: BuildContext,
    before: AddedTokenPass | None,
    normalizer: tf.Module | None,
    after: AddedTokenPass | None,
    pre_tokenizer: tf.Module | None,
    around: tuple[list[int], list[int]],
) -> RowPipeline | None:
    """The short way, or `None` where the components do not allow it.

    Args:
        around: ids before and behind a single text.
    """
    model = context.spec.model
    if not isinstance(model, WordPiece) or model.max_input_chars_per_word < 1:
        return None
    if not isinstance(pre_tokenizer, IsolateOrRemove) or pre_tokenizer.contiguous:
        return None
    if isinstance(normalizer, Chain) and len(normalizer.parts) == 1:
        normalizer = normalizer.parts[0]
    try:
        spelling = RowSpelling(model, pre_tokenizer.classes, context.spec.added_tokens, around)
    except OverflowError:
        return None
    return RowPipeline(context, spelling, before, normalizer, after, around)
