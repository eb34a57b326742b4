"""Between strings and the stream of code points (see `component.py`)."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, ROW, Tokens
from tfmlm.tokenizer_graph.ops.shift import column, lower_bound, positions_of, previous, upper_bound


def decode_rows(texts: tf.Tensor) -> tf.Tensor:
    """tf.string [batch] -> stream int32 [n]; every row ends with one `ROW`.

    Invalid UTF-8 becomes U+FFFD as in `bytes.decode("utf-8", "replace")`.
    """
    # The appended newline keeps the place for ROW; being ASCII, it cannot complete a cut sequence.
    decoded = tf.raw_ops.UnicodeDecode(
        input=tf.strings.join([texts, "\n"]), input_encoding="UTF-8", Tsplits=tf.int64
    )
    return mark_rows(decoded.char_values, decoded.row_splits)


def decode_rows_with_offsets(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """As `decode_rows`, with the byte at which each code point starts, int64 [n]."""
    decoded = tf.raw_ops.UnicodeDecodeWithOffsets(
        input=tf.strings.join([texts, "\n"]), input_encoding="UTF-8", Tsplits=tf.int64
    )
    stream = mark_rows(decoded.char_values, decoded.row_splits)
    return stream, decoded.char_to_byte_starts


def mark_rows(values: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """Makes the last element of every row (int64 [batch + 1]) a `ROW`."""
    ends = splits[1:] - 1
    return tf.tensor_scatter_nd_update(values, column(ends), tf.fill(tf.shape(ends), ROW))


def encode_words(codepoints: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """Code points int32 [n] and splits int64 [words + 1] -> UTF-8 strings [words]."""
    return tf.raw_ops.UnicodeEncode(
        input_values=codepoints, input_splits=splits, output_encoding="UTF-8", errors="replace"
    )


class Words(NamedTuple):
    """The words of a stream, and where its barriers stood.

    Attributes:
        codepoints: int32 [n], the words one after the other.
        splits: int64 [words + 1].
        barriers: int32 [b], the `ROW` and added token values, in order.
        words_before: int64 [b], how many words stand before each barrier.
        positions: int64 [n], where in the stream the code points stand.
        barrier_positions: int64 [b], where in the stream the barriers stand.
    """

    codepoints: tf.Tensor
    splits: tf.Tensor
    barriers: tf.Tensor
    words_before: tf.Tensor
    positions: tf.Tensor
    barrier_positions: tf.Tensor


def cut_words(stream: tf.Tensor, starts: tf.Tensor) -> Words:
    """Takes barriers out of a pre-tokenized stream (int32 [n], bool [n])."""
    is_character = stream < GAP
    after_barrier = previous(stream, ROW) >= GAP
    starts = tf.logical_and(is_character, tf.logical_or(starts, after_barrier))
    kept = positions_of(is_character)
    codepoints = tf.gather(stream, kept)
    firsts = positions_of(tf.gather(starts, kept))
    splits = tf.concat([firsts, tf.shape(kept, tf.int64)], 0)
    positions = positions_of(stream > GAP)
    words_before = lower_bound(tf.gather(kept, firsts), positions)
    return Words(codepoints, splits, tf.gather(stream, positions), words_before, kept, positions)


def insert_barriers(
    words: Words, ids: tf.Tensor, id_splits: tf.Tensor, added_ids: tf.Tensor
) -> tuple[Tokens, tf.Tensor]:
    """Puts the ids of added tokens between the model's and cuts the rows.

    Args:
        words: from `cut_words`.
        ids, id_splits: from the model.
        added_ids: int32 [added tokens], the id of each added token.

    Returns:
        The rows' tokens, and for each barrier the position of its id in `Tokens.ids` (int64 [b];
        for `ROW` the end of the row).
    """
    is_row = tf.equal(words.barriers, ROW)
    rows_before = tf.cumsum(tf.cast(is_row, tf.int64), exclusive=True)
    order = tf.range(tf.size(words.barriers, tf.int64))
    before = tf.gather(id_splits, words.words_before)
    position = before + order - rows_before
    splits = tf.concat([tf.zeros([1], tf.int64), tf.boolean_mask(position, is_row)], 0)
    added = positions_of(tf.logical_not(is_row))
    added_positions = tf.gather(position, added)
    total = tf.size(ids, tf.int64) + tf.size(added, tf.int64)
    # the position of each id of the model: its index plus the added tokens that came before
    index = tf.range(tf.size(ids, tf.int64))
    shift = upper_bound(tf.gather(before, added), index)
    merged = tf.scatter_nd(
        tf.concat([index + shift, added_positions], 0)[:, tf.newaxis],
        tf.concat([ids, tf.gather(added_ids, tf.gather(words.barriers, added) - (ROW + 1))], 0),
        tf.reshape(total, [1]),
    )
    return Tokens(merged, splits), position
