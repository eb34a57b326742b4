"""WordPiece by an op of TF Text: raw text to ids with a table, an encoder and that one op.

Possible where words are cut by the class of each character alone (BertPreTokenizer,
WhitespaceSplit). Fast rows need not even the table. What the table has no answer for (added
tokens, code points that become several, marks that stay) is normalized by the components, and then
goes to the same op.
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.added_tokens import AddedTokenPass
from tfmlm.tokenizer_graph.component import (
    ADDED,
    ROW,
    BuildContext,
    Normalizer,
    Path,
    PreTokenizer,
    Spans,
    Tokens,
)
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree
from tfmlm.tokenizer_graph.normalizers.sequence import Chain
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.shift import lower_bound, positions_of
from tfmlm.tokenizer_graph.ops.tables import ValueTable
from tfmlm.tokenizer_graph.ops.text import mark_rows
from tfmlm.tokenizer_graph.paths import wordpiece_strings
from tfmlm.tokenizer_graph.paths.split import SplitPath
from tfmlm.tokenizer_graph.paths.wordpiece_rows import (
    BREAK,
    NO_ANSWER,
    SPACE,
    RowSpelling,
    WordPieceRows,
    fused_entries,
)
from tfmlm.tokenizer_graph.pre_tokenizers.by_class import IsolateOrRemove
from tfmlm.tokenizer_graph.spec import WordPiece


class TablePath(tf.Module):
    """The `Path` of code points for all rows, whole rows at once.

    Args:
        rows: the op.
        spelling: in which characters it gets the text.
        before, after: what finds added tokens before and after the normalizer.
        normalizer: the compiled normalizer.
        mask: the barrier and the id of the mask token; -1 for none.
    """

    def __init__(
        self,
        rows: WordPieceRows,
        spelling: RowSpelling,
        before: AddedTokenPass | None,
        normalizer: Normalizer | None,
        after: AddedTokenPass | None,
        mask: tuple[int, int],
    ) -> None:
        super().__init__()
        self._before, self._normalizer, self._after = before, normalizer, after
        self._rows = rows
        self._mask_barrier, self._mask_id = mask
        table = spelling.table()
        self._spelled = ValueTable(table)
        self._fused = self._fused_found = None
        #: the table of raw text, if there is one
        self.entries = None
        if after is None and (normalizer is None or isinstance(normalizer, ContextFree)):
            if isinstance(normalizer, ContextFree):
                table = fused_entries(spelling, normalizer.effect.changes, normalizer.effect.acting)
            self.entries = table
            # once added tokens are out, their first characters are like any others
            self._fused_found = ValueTable(table)
            self._may_lack_answers = bool((table >= NO_ANSWER).any())
            if before is not None:
                table = table.copy()
                table[before.first_characters] = NO_ANSWER
            self._fused = ValueTable(table)
        # the newline that was put behind every row is as good as a ROW if it is just a space
        self._newline_ends = self._fused is not None and table[0x0A] == SPACE | BREAK

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        """See `Path`: every row."""
        return tf.fill(tf.shape(texts), True)

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        """See `Path`."""
        ids, splits, _ = self._rows(self.spelled(texts), with_special_tokens)
        return Tokens(ids, splits)

    def spelled(self, texts: tf.Tensor) -> tf.Tensor:
        """Rows as the op is to get them, tf.string [batch]."""
        decoded = tf.raw_ops.UnicodeDecode(
            input=tf.strings.join([texts, "\n"]), input_encoding="UTF-8", Tsplits=tf.int64
        )
        return self._spell(decoded.char_values, decoded.row_splits, locate=False)[0]

    def spans(self, texts: tf.Tensor) -> Spans:
        """See `Path`."""
        decoded = tf.raw_ops.UnicodeDecodeWithOffsets(
            input=tf.strings.join([texts, "\n"]), input_encoding="UTF-8", Tsplits=tf.int64
        )
        spelled, starts, ends = self._spell(decoded.char_values, decoded.row_splits, locate=True)
        byte = decoded.char_to_byte_starts
        span = tf.stack([tf.gather(byte, starts), tf.gather(byte, ends)], 1)
        ids, splits, _ = self._rows(spelled, with_special_tokens=False)
        masks = positions_of(tf.equal(ids, self._mask_id))
        return Spans(Tokens(ids, splits), span, lower_bound(masks, splits))

    def _spell(self, values: tf.Tensor, splits: tf.Tensor, locate: bool) -> tuple[tf.Tensor, ...]:
        """Code points int32 [n] in rows int64 [batch + 1] -> spelled rows, tf.string [batch].

        Args:
            locate: give the code points at which mask tokens start and end too, int64 [masks].
        """
        if not self._newline_ends:
            values = mark_rows(values, splits)
        none = (tf.zeros([0], tf.int64),) * 2 if locate else ()

        def step_by_step() -> tuple[tf.Tensor, ...]:
            stream = mark_rows(values, splits)
            if self._before is None:
                return (self._normalized(stream), *none)
            if not locate:
                return (self._normalized(self._before(stream)),)
            found = self._before.extract(stream)
            masks = positions_of(tf.equal(found.stream, self._mask_barrier))
            positions = (tf.gather(found.origin, masks), tf.gather(found.ends, masks))
            return (self._normalized(found.stream), *positions)

        if self._fused is None:
            return step_by_step()
        entries = self._fused(values)
        hard = tf.logical_or(
            tf.reduce_max(entries) >= NO_ANSWER, self._rows.may_be_too_long(entries)
        )
        return branch(
            hard, step_by_step, lambda: (self._rows.spelled_quickly(entries, splits), *none)
        )

    def _normalized(self, stream: tf.Tensor) -> tf.Tensor:
        """Spelled rows, tf.string [batch], of a stream whose added tokens are found."""
        if self._fused_found is None:
            entries, splits = self._by_components(stream)
        else:
            entries = self._fused_found(stream)
            splits = _row_splits(stream)
            if self._may_lack_answers:
                entries, splits = branch(
                    tf.reduce_max(entries) >= NO_ANSWER,
                    lambda: self._by_components(stream),
                    lambda: (entries, splits),
                )
        return self._rows.spelled(entries, splits)

    def _by_components(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Table entries int32 [m], row splits int64 [batch + 1]."""
        if self._normalizer is not None:
            stream = self._normalizer(stream)
        if self._after is not None:
            stream = self._after(stream)
        return self._spelled(stream), _row_splits(stream)


class SpelledPath(SplitPath):
    """Fast rows and others, spelled apart and given to the op together.

    Args:
        fast, general: see `SplitPath`.
        rows: the op.
    """

    def __init__(
        self, fast: wordpiece_strings.RowStringsPath, general: TablePath, rows: WordPieceRows
    ) -> None:
        super().__init__(fast, general)
        self._fast, self._table, self._rows = fast, general, rows

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        """See `Path`."""
        is_fast = self._fast.matches(texts)
        spelled = self._fast.spelled(texts)

        def mixed() -> tf.Tensor:
            index = tf.where(tf.logical_not(is_fast))
            return tf.tensor_scatter_nd_update(
                spelled, index, self._table.spelled(tf.gather_nd(texts, index))
            )

        spelled = branch(tf.reduce_all(is_fast), lambda: spelled, mixed)
        ids, splits, _ = self._rows(spelled, with_special_tokens)
        return Tokens(ids, splits)


def _row_splits(stream: tf.Tensor) -> tf.Tensor:
    """Row splits (int64 [batch + 1]) of a stream with `ROW`s."""
    ends = positions_of(tf.equal(stream, ROW))
    return tf.concat([tf.zeros([1], tf.int64), ends + 1], 0)


def build(
    context: BuildContext,
    before: AddedTokenPass | None,
    normalizer: Normalizer | None,
    after: AddedTokenPass | None,
    pre_tokenizer: PreTokenizer | None,
) -> Path | None:
    """The paths by TF Text's op, or `None` where the components do not allow it."""
    spec = context.spec
    model = spec.model
    if not isinstance(model, WordPiece) or model.max_input_chars_per_word < 1:
        return None
    if not isinstance(pre_tokenizer, IsolateOrRemove) or pre_tokenizer.contiguous:
        return None
    if isinstance(normalizer, Chain) and len(normalizer.parts) == 1:
        normalizer = normalizer.parts[0]
    try:
        spelling = RowSpelling(
            model, pre_tokenizer.classes, spec.added_tokens, context.template_ids
        )
    except OverflowError:
        return None
    mask = context.mask
    mask_id = -1 if spec.config.mask_token_id is None else spec.config.mask_token_id
    # a mask id has to come of a mask token as it is written
    if mask is not None and (
        before is None or mask[1].normalized or spelling.makes(model, mask_id)
    ):
        return None
    rows = WordPieceRows(model, spelling, spec.added_tokens, context.template_ids)
    barrier = ADDED + mask[0] if mask else -1
    general = TablePath(rows, spelling, before, normalizer, after, (barrier, mask_id))
    if general.entries is None:
        return general
    number = mask[0] if mask else None
    character = chr(spelling.added[number]) if number is not None else ""
    fast = wordpiece_strings.build(
        general.entries,
        rows,
        model.max_input_chars_per_word,
        before,
        (mask[1].content, character) if mask else None,
    )
    return general if fast is None else SpelledPath(fast, general, rows)
