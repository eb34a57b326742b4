"""Turns target words into token ids, in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.export.graph.vocabulary import Vocabulary

#: Tokenizes strings [n] without special tokens: flat ids int32 [tokens], row splits int [n + 1].
Encode = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class TargetResolver(tf.Module):
    """Finds the token of a target word, at a word start and glued to the word before.

    A target spelled as a token of the vocabulary (`##ing`, `Ġpast`, `[UNK]`) is that token. Any
    other is tokenized and stands for its first piece, as in the fill-mask pipeline.
    """

    def __init__(self, vocabulary: Vocabulary, encode: Encode) -> None:
        super().__init__(name="targets")
        self._encode = encode
        self._prefix = vocabulary.word_start_prefix
        self._marks_word_starts = vocabulary.marks_word_starts
        # Arrays, by id and the last for no token (−1): a tf.Module looks into lists.
        self._continuation = np.array([*vocabulary.continuation, -1], np.int32)
        self._at_word_start = np.array([*vocabulary.at_word_start, False])
        self._bare_mark = vocabulary.bare_mark
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(vocabulary.ids), tf.string),
                tf.constant(list(vocabulary.ids.values()), tf.int32),
            ),
            default_value=-1,
        )

    def __call__(self, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Resolves targets string [n].

        Returns:
            Ids at a word start int32 [n] (−1 where the string has no token at all), whether these
            are the whole word bool [n], and the same two for a word glued to the one before.
        """
        spelled = self._ids.lookup(targets)
        known = spelled >= 0
        plain = self._pieces(targets)
        start = plain
        if self._prefix:
            # A target that brings its own whitespace is tokenized as it is.
            spaced = tf.strings.regex_full_match(targets, r"[\s\pZ]\C*")
            with_prefix = tf.strings.join([tf.constant(self._prefix), targets])
            start = self._pieces(tf.where(spaced, targets, with_prefix))
        taken = known & self._by_id(self._at_word_start, spelled)
        start_token = tf.where(taken, spelled, start.first)
        start_whole = taken | tf.equal(start.count, 1)

        if not self._marks_word_starts:
            continued = self._by_id(self._continuation, start_token)
            glued = tf.where(continued >= 0, continued, start_token)
            return start_token, start_whole, glued, start_whole & (continued >= 0)
        # `▁ing` may be no piece: then SentencePiece gives `▁` and `ing`.
        bare = tf.equal(plain.first, self._bare_mark) & (plain.count > 1)
        continued = self._by_id(self._continuation, plain.first)
        continued = tf.where(bare, plain.second, continued)
        whole = tf.equal(plain.count, tf.where(bare, 2, 1)) & (continued >= 0)
        glued = tf.where(continued >= 0, continued, start_token)
        return start_token, start_whole, tf.where(known, spelled, glued), known | whole

    def _by_id(self, table: np.ndarray, token: tf.Tensor) -> tf.Tensor:
        """Entries of a table by id, whose last entry stands for no token (−1)."""
        return tf.gather(tf.constant(table), tf.where(token < 0, len(table) - 1, token))

    def _pieces(self, texts: tf.Tensor) -> _Pieces:
        ids, splits = self._encode(texts)
        splits = tf.cast(splits, tf.int32)
        count = splits[1:] - splits[:-1]
        ids = tf.concat([ids, [-1, -1]], 0)
        first = tf.gather(ids, splits[:-1])
        second = tf.gather(ids, splits[:-1] + 1)
        return _Pieces(tf.where(count > 0, first, -1), tf.where(count > 1, second, -1), count)


class _Pieces(NamedTuple):
    """First and second token of n strings, −1 where there is none, and how many there are."""

    first: tf.Tensor
    second: tf.Tensor
    count: tf.Tensor
