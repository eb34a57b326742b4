"""Putting one character before words."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.ops.edit import splice, spliced_sources
from tfmlm.tokenizer_graph.ops.shift import positions_of


def put_before(
    stream: tf.Tensor, starts: tf.Tensor, words: tf.Tensor, character: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts `character` before the flagged first characters of words, as part of the word.

    Args:
        stream, starts: int32 [n], bool [n], see `component.py`.
        words: bool [n], first characters of the words to change.
    """
    stream, starts, _ = put_before_with_sources(stream, starts, words, character)
    return stream, starts


def put_before_with_sources(
    stream: tf.Tensor, starts: tf.Tensor, words: tf.Tensor, character: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """As `put_before`; also where each element comes from (int64 [m]).

    The character stands where the one behind it does.
    """
    positions = positions_of(words)
    index = splice(tf.size(stream, tf.int64), positions, positions, 1)
    longer = tf.gather(tf.concat([stream, [character]], 0), index)
    # the new character starts the word, the one it was put before does not
    starts = tf.logical_and(starts, tf.logical_not(words))
    starts = tf.gather(tf.concat([starts, [True]], 0), index)
    return longer, starts, spliced_sources(tf.size(stream, tf.int64), index, positions)
