"""What BPE and Unigram have in common: a table of whole words, and an algorithm for the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf

from tfmlm.tokenizer_graph.models._lookup import WordTable
from tfmlm.tokenizer_graph.registry import GAP
from tfmlm.tokenizer_graph.tables import constant

TokenizeWord = Callable[[str], Sequence]


class SubwordModel(tf.Module):
    """Words to ids; see `registry.py` for the contract.

    Args:
        words: candidates for the table of words that are one token.
        tokenize: the Rust model's `tokenize`: it says which of them are.
    """

    def __init__(self, words: Iterable[str], tokenize: TokenizeWord) -> None:
        super().__init__()
        found: dict[str, int] = {}
        for word in words:
            if word and len(tokens := tokenize(word)) == 1:
                found[word] = tokens[0].id
        self._words = WordTable(found)
        self._gap = constant([GAP])

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
        ids = self._words(codepoints, splits)
        rest = tf.where(ids < 0)[:, 0]
        return tf.cond(
            tf.size(rest) > 0,
            lambda: self._with_rest(codepoints, splits, ids, rest),
            lambda: (ids, tf.range(tf.size(splits, tf.int64))),
        )

    def _with_rest(self, codepoints, splits, ids, rest) -> tuple[tf.Tensor, tf.Tensor]:
        # the place before a word's first character becomes its GAP
        taken = tf.raw_ops.RaggedRange(
            starts=tf.gather(splits, rest) - 1,
            limits=tf.gather(splits, rest + 1),
            deltas=tf.ones_like(rest),
        )
        heads = taken.rt_nested_splits[:-1]
        stream = tf.gather(codepoints, tf.maximum(taken.rt_dense_values, 0))
        gaps = tf.fill(tf.shape(heads), GAP)
        stream = tf.tensor_scatter_nd_update(stream, heads[:, tf.newaxis], gaps)
        tokens, separators = self._segment(tf.concat([stream, self._gap], 0), heads)
        # word i is the range [i, i + 1) of a pool, or the range of its tokens behind them
        words = tf.size(ids, tf.int64)
        index = tf.range(words)
        separators += words
        places = rest[:, tf.newaxis]
        starts = tf.tensor_scatter_nd_update(index, places, separators[:-1] + 1)
        limits = tf.tensor_scatter_nd_update(index + 1, places, separators[1:])
        order = tf.raw_ops.RaggedRange(starts=starts, limits=limits, deltas=tf.ones_like(index))
        pool = tf.concat([ids, tokens], 0)
        return tf.gather(pool, order.rt_dense_values), order.rt_nested_splits
