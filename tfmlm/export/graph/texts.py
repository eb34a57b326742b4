"""Strings in the graph: the filled text, the sequences, and what stands before a mask."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.export.graph.windows import spread

#: A letter, a mark or a number at the end of a string: BERT continues a word after it. Punctuation
#: and CJK ideographs are words of their own. `\C` is any byte: a string may begin inside a
#: character.
_WORD_BEFORE = r"\C*[^\s\pZ\pC\pP\p{Han}!-/:-@\[-`{-~]"
#: Anything but whitespace: byte-level BPE and SentencePiece mark word starts after whitespace only.
_NON_SPACE_BEFORE = r"\C*[^\s\pZ]"
_LONGEST_CHARACTER = 4


def glued_to_a_word(
    text: tf.Tensor, row: tf.Tensor, start: tf.Tensor, after_punctuation: bool
) -> tf.Tensor:
    """Whether a mask directly follows a word.

    Args:
        text: string [B].
        row: int32 [N], the text of each mask.
        start: int32 [N], first byte of each mask in its text.
        after_punctuation: whether punctuation counts as a word.

    Returns:
        bool [N].
    """
    begin = tf.maximum(start - _LONGEST_CHARACTER, 0)
    before = tf.strings.substr(tf.gather(text, row), begin, start - begin)
    return tf.strings.regex_full_match(
        before, _NON_SPACE_BEFORE if after_punctuation else _WORD_BEFORE
    )


def fill_in(text: tf.Tensor, row: tf.Tensor, span: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
    """Replaces byte spans of texts by words and keeps everything else.

    Args:
        text: string [B].
        row: int32 [N], ascending, the text of each span.
        span: int32 [N, 2], first byte and byte after the last, ascending within a text.
        words: string [N].

    Returns:
        string [B].
    """
    rows = tf.shape(text)[0]
    masks = tf.range(tf.shape(row)[0])
    pieces = rows + tf.shape(row)[0]
    # A text with m spans has m + 1 pieces: number p + row of the whole batch for its span p.
    before, after = (masks + row)[:, tf.newaxis], (masks + row + 1)[:, tf.newaxis]
    begin = tf.scatter_nd(after, span[:, 1], [pieces])
    per_row = tf.math.bincount(row, minlength=rows, maxlength=rows, dtype=tf.int32)
    last = tf.cumsum(per_row + 1) - 1
    end = tf.scatter_nd(
        tf.concat([before, last[:, tf.newaxis]], 0),
        tf.concat([span[:, 0], tf.strings.length(text)], 0),
        [pieces],
    )
    word = tf.scatter_nd(before, masks + 1, [pieces])
    piece_row = spread(tf.concat([[0], last + 1], 0))
    kept = tf.strings.substr(tf.gather(text, piece_row), begin, end - begin)
    joined = tf.strings.join([kept, tf.gather(tf.concat([[""], words], 0), word)])
    return tf.strings.unsorted_segment_join(joined, piece_row, rows)


def candidate_sequences(
    input_ids: tf.Tensor,
    keep: tf.Tensor,
    indices: tf.Tensor,
    of_mask: tf.Tensor,
    token: tf.Tensor,
    token_is_special: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Token rows with one mask replaced by one candidate, without special tokens.

    Args:
        input_ids: int32 [R, T].
        keep: bool [R, T], which positions appear in a sequence; masks do.
        indices: int32 [N, 2], (row, position) of the masks.
        of_mask: int32 [Q], the mask that each candidate fills.
        token: int32 [Q], the candidates.
        token_is_special: bool [Q], a special candidate leaves nothing in place of the mask.

    Returns:
        Ids and row splits of Q sequences: int32 [tokens], int32 [Q + 1].
    """
    kept = tf.cast(tf.where(keep), tf.int32)
    ids = tf.gather_nd(input_ids, kept)
    count = tf.cumsum(tf.cast(keep, tf.int32), axis=1, exclusive=True)
    length = tf.reduce_sum(tf.cast(keep, tf.int32), axis=1)
    row_begin = tf.cumsum(length, exclusive=True)

    row = tf.gather(indices[:, 0], of_mask)
    place = tf.gather(tf.gather_nd(count, indices), of_mask)
    splits = tf.concat([[0], tf.cumsum(tf.gather(length, row))], 0)
    sequence = spread(splits)
    local = tf.range(splits[-1]) - tf.gather(splits, sequence)
    filled = tf.equal(local, tf.gather(place, sequence))
    out = tf.gather(ids, tf.gather(tf.gather(row_begin, row), sequence) + local)
    out = tf.where(filled, tf.gather(token, sequence), out)
    stays = ~(filled & tf.gather(token_is_special, sequence))
    dropped = tf.concat([[0], tf.cumsum(tf.cast(token_is_special, tf.int32))], 0)
    return tf.boolean_mask(out, stays), splits - dropped
