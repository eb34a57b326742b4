"""Turns target words into token ids, in the graph."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfmlm.export.vocabulary import Vocabulary

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
        self._continuation = vocabulary.continuation
        self._spelled = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(vocabulary.spelled), tf.string),
                tf.constant(list(vocabulary.spelled.values()), tf.int32),
            ),
            default_value=-1,
        )

    def __call__(self, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Resolves targets string [n].

        Returns:
            Ids at a word start int32 [n] (−1 where the string has no token at all), whether these
            are the whole word bool [n], and the same two for a word glued to the one before.
        """
        spelled = self._spelled.lookup(targets)
        plain, plain_whole = self._first_piece(targets)
        start, start_whole = plain, plain_whole
        if self._prefix:
            # A target that brings its own whitespace is tokenized as it is.
            spaced = tf.strings.regex_full_match(targets, r"[\s\pZ]\C*")
            with_prefix = tf.strings.join([tf.constant(self._prefix), targets])
            start, start_whole = self._first_piece(tf.where(spaced, targets, with_prefix))
        spelled_so = spelled >= 0
        start = tf.where(spelled_so, spelled, start)
        start_whole |= spelled_so

        if self._marks_word_starts:
            continued = self._continued(plain)
            glued_whole = plain_whole & (continued >= 0)
            glued = tf.where(continued >= 0, continued, start)
            glued = tf.where(spelled_so, spelled, glued)
            return start, start_whole, glued, glued_whole | spelled_so
        continued = self._continued(start)
        glued = tf.where(continued >= 0, continued, start)
        return start, start_whole, glued, start_whole & (continued >= 0)

    def _continued(self, token: tf.Tensor) -> tf.Tensor:
        """The same text glued to the word before, −1 where there is no such token."""
        table = tf.constant([*self._continuation, -1], tf.int32)
        return tf.gather(table, tf.where(token < 0, len(self._continuation), token))

    def _first_piece(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """First token int32 [n] of each string, −1 if it has none, and whether it is the only."""
        ids, splits = self._encode(texts)
        splits = tf.cast(splits, tf.int32)
        count = splits[1:] - splits[:-1]
        first = tf.gather(tf.concat([ids, [-1]], 0), splits[:-1])
        return tf.where(count > 0, first, -1), tf.equal(count, 1)
