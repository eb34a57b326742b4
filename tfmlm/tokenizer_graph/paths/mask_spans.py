"""Where the mask tokens stand in the callers' texts."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import ROW, Spans, Tokens
from tfmlm.tokenizer_graph.ops.shift import (
    column,
    kept,
    lower_bound,
    positions_of,
    previous,
    upper_bound,
)


def literal_spans(texts: tf.Tensor, content: str | None) -> tuple[tf.Tensor, tf.Tensor]:
    """The bytes of all occurrences of a literal (`None`: there are none), from left to right.

    Args:
        texts: tf.string [batch].

    Returns:
        First byte and byte after the last, int64 [m, 2], and splits int64 [batch + 1].
    """
    rows = tf.size(texts, tf.int64)
    if content is None:
        return tf.zeros([0, 2], tf.int64), tf.zeros([rows + 1], tf.int64)
    size = len(content.encode())
    parts = tf.raw_ops.StringSplitV2(input=texts, sep=content)
    behind = tf.where(parts.indices[:, 1] > 0)[:, 0]
    row, number = tf.unstack(tf.gather(parts.indices, behind), axis=1)
    # bytes before each part, the literals apart
    bytes_before = tf.cumsum(tf.strings.length(parts.values), exclusive=True)
    own = tf.gather(bytes_before, behind) - tf.gather(bytes_before, behind - number)
    starts = tf.cast(own, tf.int64) + (number - 1) * size
    splits = lower_bound(row, tf.range(rows + 1))
    return tf.stack([starts, starts + size], 1), splits


def align(
    raw: tf.Tensor,
    positions: tf.Tensor,
    span: tf.Tensor,
    tokens: Tokens,
    literal: tf.Tensor,
    mask_id: int,
) -> Spans:
    """Gives each mask id its span; rows in which the counts differ get (-1, -1).

    Args:
        raw: int32 [n], the stream of the callers' texts.
        positions: int64 [masks], the code points at which mask tokens start there.
        span: int64 [masks, 2], their bytes.
        literal: int64 [m], where in `tokens.ids` the ids of mask tokens found in texts are.
        mask_id: the mask token's id.
    """
    mask_positions = positions_of(tf.equal(tokens.ids, mask_id))
    splits = lower_bound(mask_positions, tokens.splits)
    row_ends = positions_of(tf.equal(raw, ROW))
    in_text = lower_bound(positions, row_ends)
    in_ids = lower_bound(literal, tokens.splits[1:])
    same = tf.equal(_differences(in_text), _differences(in_ids))
    text_row = lower_bound(row_ends, positions)
    id_row = upper_bound(tokens.splits[1:], literal)
    target = lower_bound(mask_positions, kept(literal, tf.gather(same, id_row)))
    # scattered with one added, so that what is left out comes to -1
    shape = tf.stack([tf.size(mask_positions, tf.int64), 2])
    known = kept(span, tf.gather(same, text_row))
    return Spans(tokens, tf.scatter_nd(column(target), known + 1, shape) - 1, splits)


def _differences(cumulated: tf.Tensor) -> tf.Tensor:
    """int64 [n] -> int64 [n]: what each element adds to the one before."""
    return cumulated - previous(cumulated, 0)
