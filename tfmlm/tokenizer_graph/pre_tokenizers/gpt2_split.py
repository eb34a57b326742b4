r"""GPT-2's split, by classes of characters, without a search.

The pattern's alternatives but the contractions differ in the class of their characters, so words
start where the class changes. Two rules of neighbourhood are left: the last space of a run before
something else belongs to what follows, as does no other whitespace; and the contractions.
https://github.com/openai/gpt-2/blob/master/src/encoder.py
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.regex import boundaries, rust_class
from tfmlm.tokenizer_graph.ops.shift import column, following, positions_of, previous
from tfmlm.tokenizer_graph.ops.tables import ValueTable
from tfmlm.tokenizer_graph.pre_tokenizers.in_place import InPlace

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BARRIER, OTHER, LETTER, NUMBER, WHITESPACE, SPACE = range(6)
CONTRACTIONS = ("s", "t", "m", "d", "re", "ve", "ll")


class Gpt2Split(InPlace):
    """The split by `GPT2_PATTERN`, every match a word."""

    def __init__(self) -> None:
        super().__init__()
        classes = np.full(0x110000, OTHER, np.int32)
        classes[rust_class(r"\p{L}")] = LETTER
        classes[rust_class(r"\p{N}")] = NUMBER
        whitespace = rust_class(r"\s")
        if (classes[whitespace] != OTHER).any():
            raise AssertionError("a letter or number is whitespace")
        classes[whitespace] = WHITESPACE
        classes[ord(" ")] = SPACE
        self._classes = ValueTable(classes, BARRIER)

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        classes = self._classes(stream)
        edge = boundaries(stream, starts)
        before = previous(classes, BARRIER)
        later = following(classes, BARRIER)
        ends_word = following(edge, True)
        is_white = classes >= WHITESPACE
        before_white = before >= WHITESPACE
        # whitespace: the first of a run, and its last before something that is none
        solid_follows = tf.logical_and(later < WHITESPACE, tf.logical_not(ends_word))
        white_start = tf.logical_or(tf.logical_not(before_white), solid_follows)
        # others: a change of class, unless a space before is taken along
        taken = tf.equal(before, SPACE)
        solid_start = tf.logical_and(tf.not_equal(classes, before), tf.logical_not(taken))
        split = tf.logical_or(edge, tf.where(is_white, white_start, solid_start))
        is_quote = tf.equal(stream, ord("'"))
        split = branch(
            tf.reduce_any(is_quote),
            lambda: self._contractions(stream, edge, split, is_quote),
            lambda: split,
        )
        return stream, split

    def _contractions(
        self, stream: tf.Tensor, edge: tf.Tensor, split: tf.Tensor, is_quote: tf.Tensor
    ) -> tf.Tensor:
        """Word starts, bool [n], where contractions are words of their own.

        A quote that starts a word and is followed by a contraction's letters ends behind them.

        Args:
            stream: int32 [n].
            edge: bool [n], where words that are split further start.
            split: bool [n], where words start without contractions.
            is_quote: bool [n].
        """
        size = tf.size(stream, tf.int64)
        positions = positions_of(tf.logical_and(is_quote, split))

        def ahead(distance: int) -> tuple[tf.Tensor, tf.Tensor]:
            index = tf.minimum(positions + distance, size - 1)
            return tf.gather(stream, index), tf.gather(edge, index)

        (first, first_edge), (second, second_edge) = ahead(1), ahead(2)
        one = tf.reduce_any(
            [tf.equal(first, ord(suffix)) for suffix in CONTRACTIONS if len(suffix) == 1], 0
        )
        two = tf.reduce_any(
            [
                tf.logical_and(tf.equal(first, ord(suffix[0])), tf.equal(second, ord(suffix[1])))
                for suffix in CONTRACTIONS
                if len(suffix) == 2
            ],
            0,
        )
        one = tf.logical_and(one, tf.logical_not(first_edge))
        two = tf.logical_and(two, tf.logical_not(tf.logical_or(first_edge, second_edge)))
        two = tf.logical_and(two, tf.logical_not(one))
        found = tf.logical_or(one, two)
        kept = tf.boolean_mask(positions, found)
        stops = kept + 2 + tf.cast(tf.boolean_mask(two, found), tf.int64)
        # the word ends after the suffix; the change of class after the quote is none
        ones = tf.ones_like(kept, tf.bool)
        split = tf.tensor_scatter_nd_update(split, column(kept + 1), tf.logical_not(ones))
        return tf.tensor_scatter_nd_update(split, column(stops), ones)
