"""What WordPiece, BPE and Unigram share: a table of whole words, an algorithm for the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.ops.byte_alphabet import byte_characters
from tfmlm.tokenizer_graph.ops.lookup import WordTable
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.ops.text import encode_words

TokenizeWord = Callable[[str], Sequence]
# In the table: a word that is not there, and one that has no tokens.
ABSENT, NOTHING = -1, -2


class Segmented(NamedTuple):
    """Tokens of words.

    Attributes:
        tokens: int32 [m]; anything may stand between the tokens of two words.
        starts, stops: int64 [words], the tokens of each word.
    """

    tokens: tf.Tensor
    starts: tf.Tensor
    stops: tf.Tensor


class Located(NamedTuple):
    """`Segmented`, and from where to where in the stream each token goes: int64 [m] each."""

    tokens: tf.Tensor
    starts: tf.Tensor
    stops: tf.Tensor
    begins: tf.Tensor
    ends: tf.Tensor


class SubwordModel(tf.Module):
    """Words to ids; see `Model` in `component.py`.

    Args:
        words: candidates for the table of words that are one token.
        tokenize: the Rust model's `tokenize`: it says which of them are.
        raw: the words given to the graph are text, and those of the vocabulary the characters
            that GPT-2's alphabet has for its UTF-8 bytes.
        special: strings that are not UTF-8 -> the id that each stands for, or `NOTHING`.
    """

    def __init__(
        self,
        words: Iterable[str],
        tokenize: TokenizeWord,
        raw: bool = False,
        special: Mapping[bytes, int] | None = None,
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
        found.update(special or {})  # also over a token that stands for a single byte
        self._words = WordTable(found)
        self._gap = constant([GAP])
        self._alphabet = constant(np.array(alphabet, np.int32)) if raw else None
        #: whether positions within words count UTF-8 bytes, not code points
        self.counts_bytes = raw
        # In the graph of whoever asks: a call within a branch would stay a call when it runs.
        self._segment_all = tf.autograph.experimental.do_not_convert(self._segment)
        #: why `located` is refused: component, what it has, what is supported
        self.unlocated: tuple[str, str, str] | None = None

    def _segment(self, stream: tf.Tensor, heads: tf.Tensor) -> Segmented:
        """Tokens of words that are not in the table.

        Args:
            stream: int32 [n], code points of words, `GAP` before each word and at the end.
            heads: int64 [words], where the `GAP`s before words are.
        """
        return Segmented(*self._locate(stream, heads)[:3])

    @abstractmethod
    def _locate(self, stream: tf.Tensor, heads: tf.Tensor) -> Located:
        """As `_segment`, with what each token covers of the stream (int32 [n])."""

    def __call__(self, codepoints: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Model`: int32 [n], int64 [words + 1] -> int32 [m], int64 [words + 1]."""
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

    def _with_rest(
        self,
        words: tf.Tensor,
        rest: tf.Tensor,
        ids: tf.Tensor,
        index: tf.Tensor,
        limits: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Word i is the range [i, i + 1) of a pool, or the range of its tokens behind them.

        Args:
            words: tf.string [words].
            rest: int64 [m, 1], the words that are not in the table.
            ids: int32 [words], from the table.
            index, limits: int64 [words], the ranges of the words in the table.

        Returns:
            Ranges of all words, int64 [words] each, and the pool, int32.
        """
        distinct, which = tf.unique(tf.gather_nd(words, rest), out_idx=tf.int64)
        found = self._segment_all(*self._stream_of(distinct))
        base = tf.size(ids, tf.int64)
        return (
            tf.tensor_scatter_nd_update(index, rest, tf.gather(found.starts + base, which)),
            tf.tensor_scatter_nd_update(limits, rest, tf.gather(found.stops + base, which)),
            tf.concat([ids, found.tokens], 0),
        )

    def _stream_of(self, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """tf.string [words] -> stream int32 [n] and heads int64 [words] as `_segment` has them."""
        decoded = tf.raw_ops.UnicodeDecode(
            # the newline keeps the place for GAP
            input=tf.strings.join(["\n", words]),
            input_encoding="UTF-8" if self._alphabet is None else "ISO-8859-1",
            Tsplits=tf.int64,
        )
        stream, heads = decoded.char_values, decoded.row_splits[:-1]
        if self._alphabet is not None:
            stream = tf.gather(self._alphabet, stream)
        gaps = tf.fill(tf.shape(heads), GAP)
        stream = tf.tensor_scatter_nd_update(stream, heads[:, tf.newaxis], gaps)
        return tf.concat([stream, self._gap], 0), heads

    def located(
        self, codepoints: tf.Tensor, splits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """As a call, with the position of each token in its words.

        Returns:
            ids int32 [m], splits int64 [words + 1], and the first position and the one behind the
            last of each token, int64 [m]: in all words one after the other, counted in code points
            (`counts_bytes`: in UTF-8 bytes).

        Raises:
            UnsupportedTokenizerError: `unlocated` says why.
        """
        if self.unlocated is not None:
            raise UnsupportedTokenizerError(*self.unlocated)
        words = encode_words(codepoints, splits)
        ids = self._words(words)
        sizes = splits[1:] - splits[:-1]
        if self.counts_bytes:
            sizes = tf.cast(tf.strings.length(words), tf.int64)
        base = tf.cumsum(sizes, exclusive=True)
        rest = tf.where(tf.equal(ids, ABSENT))
        none = tf.zeros([0], tf.int64)
        found = tf.cond(
            tf.size(rest) > 0,
            lambda: self._located_rest(tf.gather_nd(words, rest), tf.gather_nd(base, rest)),
            lambda: Located(tf.zeros([0], tf.int32), none, none, none, none),
        )
        index = tf.range(tf.size(ids, tf.int64))
        count = tf.size(ids, tf.int64)
        starts = tf.tensor_scatter_nd_update(index, rest, found.starts + count)
        limits = tf.tensor_scatter_nd_update(index + 1, rest, found.stops + count)
        order = tf.raw_ops.RaggedRange(starts=starts, limits=limits, deltas=tf.ones_like(index))
        pools = (
            tf.concat([ids, found.tokens], 0),
            tf.concat([base, found.begins], 0),
            tf.concat([base + sizes, found.ends], 0),
        )
        tokens, begins, ends = (tf.gather(pool, order.rt_dense_values) for pool in pools)
        return tokens, order.rt_nested_splits, begins, ends

    def _located_rest(self, words: tf.Tensor, base: tf.Tensor) -> Located:
        """The tokens of words that are not in the table (tf.string [words], at least one).

        Args:
            base: int64 [words], where each word starts; positions are counted from there.
        """
        stream, heads = self._stream_of(words)
        found = self._locate(stream, heads)
        # in the stream a GAP stands before each word; in the words there is none
        shift = tf.concat([base - heads - 1, [0]], 0)
        word = tf.cumsum(tf.cast(tf.equal(stream, GAP), tf.int64)) - 1
        shift = tf.gather(shift, tf.gather(word, found.begins))
        return Located(*found[:3], found.begins + shift, found.ends + shift)
