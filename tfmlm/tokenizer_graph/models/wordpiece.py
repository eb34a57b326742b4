"""WordPiece: greedy longest match first, all words at once.

Words that are one token come from a table of whole words. For the others the longest piece from
every position on is found; from a word's start the pieces then lead to its end, or to a position
from which none goes on: such a word is unknown as a whole.

https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/models/wordpiece/mod.rs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, BuildContext
from tfmlm.tokenizer_graph.models._longest import LongestPieces
from tfmlm.tokenizer_graph.models._words import Located, SubwordModel, TokenizeWord
from tfmlm.tokenizer_graph.ops.shift import closure, column, kept, lower_bound, positions_of
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import WordPiece

# Words of more characters are followed by pointer doubling instead of piece by piece.
FOLLOWED = 1000


class WordPieceModel(SubwordModel):
    """A WordPiece model.

    Args:
        spec: the model's settings.
        tokenize: the Rust model's `tokenize`.
        special: see `SubwordModel`.

    Raises:
        UnsupportedTokenizerError: the vocabulary has over a million tokens.
    """

    def __init__(
        self, spec: WordPiece, tokenize: TokenizeWord, special: Mapping[bytes, int] | None = None
    ) -> None:
        super().__init__([token for token in spec.vocab if token], tokenize, special=special)
        self._unknown = spec.vocab[spec.unk_token]
        self._limit = spec.max_input_chars_per_word
        self._longest = LongestPieces(_pieces(spec))

    def _locate(self, stream: tf.Tensor, heads: tf.Tensor) -> Located:
        """See `SubwordModel`."""
        size = tf.size(stream, tf.int64)
        found = self._longest(stream)
        is_gap = tf.equal(stream, GAP)
        known = found.ends > 0
        stops = tf.concat([heads[1:], size[tf.newaxis] - 1], 0)
        too_long = stops - heads - 1 > self._limit
        first = kept(heads, ~too_long)
        reached = self._reached(first, found.ends, is_gap)
        reached = tf.logical_or(reached, tf.concat([is_gap[:-1], [False]], 0))
        lost = tf.logical_and(reached, tf.logical_not(known))
        word = tf.cumsum(tf.cast(is_gap, tf.int32)) - 1
        words = tf.size(heads)
        unknown = tf.math.unsorted_segment_max(tf.cast(lost, tf.int32), word, words + 1)[:-1] > 0
        unknown = tf.logical_or(unknown, too_long)
        # of an unknown word only its head is left
        is_unknown = tf.gather(tf.concat([unknown, [False]], 0), word)
        begins = positions_of(tf.logical_and(reached, tf.logical_or(is_gap, ~is_unknown)))
        is_unknown = tf.gather(is_unknown, begins)
        ends = tf.gather(stops, tf.gather(word, begins))
        tokens = tf.where(
            is_unknown, self._unknown, tf.cast(tf.gather(found.numbers, begins), tf.int32)
        )
        splits = lower_bound(begins, tf.concat([heads, stops[-1:]], 0))
        return Located(
            tokens,
            splits[:-1],
            splits[1:],
            begins + tf.cast(tf.gather(is_gap, begins), tf.int64),
            tf.where(is_unknown, ends, tf.gather(found.ends, begins)),
        )

    def _reached(self, heads: tf.Tensor, ends: tf.Tensor, is_gap: tf.Tensor) -> tf.Tensor:
        """Where the pieces of words begin, and where none goes on: bool [n].

        Args:
            heads: int64 [words], where the words start.
            ends: int64 [n], where the longest piece from each position ends; 0 if there is none.
            is_gap: bool [n].
        """
        size = tf.size(ends, tf.int64)
        # no piece leads to 0, where the first word's `GAP` is
        goes_on = tf.logical_not(tf.gather(is_gap, ends))
        if self._limit > FOLLOWED:
            reached = tf.tensor_scatter_nd_update(
                tf.zeros_like(is_gap), column(heads), tf.ones_like(heads, tf.bool)
            )
            return closure(reached, tf.where(goes_on, ends, tf.range(size)))
        # one step of all words at a time; a word that is at its end stays behind the stream
        jump = tf.concat([tf.where(goes_on, ends, size), size[tf.newaxis]], 0)
        flags = tf.ones_like(heads, tf.bool)

        def step(at: tf.Tensor, reached: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            reached = tf.tensor_scatter_nd_update(reached, column(at), flags)
            return tf.gather(jump, at), reached

        _, reached = tf.while_loop(
            lambda at, reached: tf.reduce_min(at) < size,
            step,
            (heads, tf.fill(size[tf.newaxis] + 1, False)),
        )
        return reached[:-1]


def _pieces(spec: WordPiece) -> Iterator[tuple[Sequence[int], int]]:
    """Pieces with their ids: those that begin a word after `GAP`, those that continue one."""
    prefix = spec.continuing_subword_prefix
    for token, number in spec.vocab.items():
        if token:
            yield (GAP, *map(ord, token)), number
        if token.startswith(prefix) and len(token) > len(prefix):
            yield tuple(map(ord, token[len(prefix) :])), number


@builds(WordPiece)
def build(spec: WordPiece, context: BuildContext) -> SubwordModel:
    """Compiles a WordPiece model."""
    return WordPieceModel(spec, context.tokenizer.model.tokenize, context.special)
