"""Byte-pair encoding over code points, equal to the Rust library's `BPE`.

Words that are one token come from a table of whole words; the others go through the merges, all
words at once. `_merge_loop.py` says why that is exact.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.component import BuildContext, Model
from tfmlm.tokenizer_graph.models._merge_loop import merge_all
from tfmlm.tokenizer_graph.models._merges import PairTable
from tfmlm.tokenizer_graph.models._symbols import InitialSymbols, byte_token
from tfmlm.tokenizer_graph.models._words import Located, Segmented, SubwordModel, TokenizeWord
from tfmlm.tokenizer_graph.ops.byte_alphabet import byte_characters
from tfmlm.tokenizer_graph.ops.shift import column, positions_of
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import BPE


class BPEModel(SubwordModel):
    """A BPE model.

    Args:
        spec: the model's settings.
        tokenize: the Rust model's `tokenize`.
        raw, special: see `SubwordModel`.

    Raises:
        UnsupportedTokenizerError: the merges do not fit the vocabulary, or only some of the byte
            tokens that `byte_fallback` needs are there.
    """

    def __init__(
        self,
        spec: BPE,
        tokenize: TokenizeWord,
        raw: bool = False,
        special: Mapping[bytes, int] | None = None,
    ) -> None:
        prefix = spec.continuing_subword_prefix or ""
        suffix = spec.end_of_word_suffix or ""
        words = {word for token in spec.vocab for word in (token, token.removesuffix(suffix))}
        super().__init__(sorted(words), tokenize, raw, special)
        self._pairs = PairTable(spec.vocab, spec.merges, len(prefix))
        self.unlocated = _not_locatable(spec, raw)
        self._unknown = None if spec.unk_token is None else spec.vocab[spec.unk_token]
        self._prefix_length, self._suffix_length = len(prefix), len(suffix)
        lengths = np.zeros(self._pairs.separator + 1, np.int64)
        for token, number in spec.vocab.items():
            lengths[number] = len(token)
        self._lengths = constant(lengths)
        self._initial = InitialSymbols(
            spec.vocab,
            self._pairs.separator,
            unk_token=spec.unk_token,
            fuse_unk=spec.fuse_unk,
            byte_fallback=spec.byte_fallback,
            prefix=prefix,
            suffix=suffix,
        )

    def _segment(self, stream: tf.Tensor, heads: tf.Tensor) -> Segmented:
        """See `SubwordModel`."""
        symbols = merge_all(self._initial(stream), self._pairs)
        separators = positions_of(tf.equal(symbols, self._pairs.separator))
        return Segmented(tf.cast(symbols, tf.int32), separators[:-1] + 1, separators[1:])

    def _locate(self, stream: tf.Tensor, heads: tf.Tensor) -> Located:
        """See `SubwordModel`."""
        found = self._segment(stream, heads)
        count = tf.size(found.tokens, tf.int64)
        # characters of a token: of its string, without the affixes that its position gives it
        lengths = tf.gather(self._lengths, found.tokens)
        ones = tf.ones_like(found.starts)
        is_first = tf.scatter_nd(column(found.starts), ones, count[tf.newaxis])
        is_last = tf.scatter_nd(column(found.stops - 1), ones, count[tf.newaxis])
        lengths -= (1 - is_first) * self._prefix_length + is_last * self._suffix_length
        unknown = -1 if self._unknown is None else self._unknown
        lengths = tf.where(tf.equal(found.tokens, unknown), tf.ones_like(lengths), lengths)
        lengths = tf.where(
            tf.equal(found.tokens, self._pairs.separator), tf.ones_like(lengths), lengths
        )
        begins = tf.cumsum(lengths, exclusive=True)
        return Located(*found, begins, begins + lengths)


def _not_locatable(spec: BPE, raw: bool) -> tuple[str, str, str] | None:
    """Why tokens cannot be located in words: component, what it has, what is supported.

    Where the Rust library drops a character or spells it in bytes, it counts bytes of the word as
    if nothing were missing.
    """
    if spec.byte_fallback and any(byte_token(byte) in spec.vocab for byte in range(256)):
        return "model.byte_fallback", "offsets of a BPE with byte_fallback", "ids without offsets"
    if spec.fuse_unk and spec.unk_token is not None:
        return "model.fuse_unk", "offsets of a BPE with fuse_unk", "ids without offsets"
    if spec.unk_token is None and not (
        raw
        and not spec.continuing_subword_prefix
        and not spec.end_of_word_suffix
        and all(chr(c) in spec.vocab for c in byte_characters())
    ):
        return (
            "model.unk_token",
            "offsets of a BPE that drops characters which its vocabulary lacks",
            "an unknown token, or all 256 bytes in the vocabulary",
        )
    if spec.unk_token is not None and (
        len(spec.unk_token) == 1
        or any(spec.unk_token == left + right for left, right, *_ in spec.merges)
    ):
        return "model.unk_token", "offsets with an unknown token that text spells", "another one"
    return None


@builds(BPE)
def build(spec: BPE, context: BuildContext) -> Model:
    """Compiles a BPE model."""
    raw = context.model_takes_text
    return BPEModel(spec, context.tokenizer.model.tokenize, raw, context.special)
