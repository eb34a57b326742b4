"""What BPE and Unigram have in common: a table of whole words, and an algorithm for the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.ops.byte_alphabet import byte_characters
from tfmlm.tokenizer_graph.ops.lookup import WordTable
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.ops.text import encode_words
from tfmlm.tokenizer_graph.registry import GAP

TokenizeWord = Callable[[str], Sequence]
# In the table: a word that is not there, and one that has no tokens.
ABSENT, NOTHING = -1, -2


class SubwordModel(tf.Module):
    """Words to ids; see `registry.py` for the contract.

    Args:
        words: candidates for the table of words that are one token.
        tokenize: the Rust model's `tokenize`: it says which of them are.
        raw: the words given to the graph are text, and those of the vocabulary the characters
            that GPT-2's alphabet has for its UTF-8 bytes.
        marks: strings that are not UTF-8 -> the id that each stands for, or `NOTHING`.
    """

    def __init__(
        self,
        words: Iterable[str],
        tokenize: TokenizeWord,
        raw: bool = False,
        marks: Mapping[bytes, int] | None = None,
    ) -> None:
        super().__init__()
        alphabet = byte_characters()
        bytes_of = {chr(c): byte for byte, c in enumerate(alphabet)}
        found: dict[bytes, int] = {}
        for word in words:
            if raw and not all(c in bytes_of for c in word):
                continue
            if word and len(tokens := tokenize(word)) == 1:
                key = bytes(bytes_of[c] for c in word) if raw else word.encode()
                found[key] = tokens[0].id
        found.update(marks or {})  # also over a token that stands for a single byte
        self._words = WordTable(found)
        self._gap = constant([GAP])
        self._alphabet = constant(np.array(alphabet, np.int32)) if raw else None

    @abstractmethod
    def _segment(self, stream: tf.Tensor, heads: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Tokens of words that are not in the table.

        Args:
            stream: int32 [n], code points of words, `GAP` before each word and at the end.
            heads: int64 [words], where the `GAP`s before words are.

        Returns:
            tokens: int32 [m], in which anything stands for the `GAP`s.
            separators: int64 [words + 1], where these are.
        """

    def __call__(self, codepoints: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.tokens_of(encode_words(codepoints, splits))

    def tokens_of(self, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Words as strings, tf.string [words] -> ids int32 [m], splits int64 [words + 1]."""
        ids = self._words(words)
        index = tf.range(tf.size(ids, tf.int64))
        limits = tf.where(tf.equal(ids, NOTHING), index, index + 1)
        rest = tf.where(tf.equal(ids, ABSENT))
        starts, limits, pool = tf.cond(
            tf.size(rest) > 0,
            lambda: self._with_rest(words, rest, ids, index, limits),
            lambda: (index, limits, ids),
        )
        order = tf.raw_ops.RaggedRange(starts=starts, limits=limits, deltas=tf.ones_like(index))
        return tf.gather(pool, order.rt_dense_values), order.rt_nested_splits

    def _with_rest(self, words, rest, ids, index, limits):
        """Word i is the range [i, i + 1) of a pool, or the range of its tokens behind them."""
        distinct, which = tf.unique(tf.gather_nd(words, rest), out_idx=tf.int64)
        decoded = tf.raw_ops.UnicodeDecode(
            # the newline keeps the place for GAP
            input=tf.strings.join(["\n", distinct]),
            input_encoding="UTF-8" if self._alphabet is None else "ISO-8859-1",
            Tsplits=tf.int64,
        )
        stream, heads = decoded.char_values, decoded.row_splits[:-1]
        if self._alphabet is not None:
            stream = tf.gather(self._alphabet, stream)
        gaps = tf.fill(tf.shape(heads), GAP)
        stream = tf.tensor_scatter_nd_update(stream, heads[:, tf.newaxis], gaps)
        tokens, separators = self._segment(tf.concat([stream, self._gap], 0), heads)
        separators += tf.size(ids, tf.int64)
        starts = tf.gather(separators + 1, which)
        stops = tf.gather(separators, which + 1)
        return (
            tf.tensor_scatter_nd_update(index, rest, starts),
            tf.tensor_scatter_nd_update(limits, rest, stops),
            tf.concat([ids, tokens], 0),
        )
