"""Byte-pair encoding over code points, equal to the Rust library's `BPE`.

Words that are one token come from a table of whole words; the others go through the merges, all
words at once. `_merge_loop.py` says why that is exact.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfmlm.tokenizer_graph.models._merge_loop import merge_all
from tfmlm.tokenizer_graph.models._merges import PairTable
from tfmlm.tokenizer_graph.models._symbols import InitialSymbols
from tfmlm.tokenizer_graph.models._words import SubwordModel, TokenizeWord
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import BPE


class BPEModel(SubwordModel):
    """A BPE model.

    Args:
        spec: the model's settings.
        tokenize: the Rust model's `tokenize`.
        raw, marks: see `SubwordModel`.

    Raises:
        UnsupportedTokenizerError: the merges do not fit the vocabulary, or only some of the byte
            tokens that `byte_fallback` needs are there.
    """

    def __init__(
        self,
        spec: BPE,
        tokenize: TokenizeWord,
        raw: bool = False,
        marks: Mapping[bytes, int] | None = None,
    ) -> None:
        prefix = spec.continuing_subword_prefix or ""
        suffix = spec.end_of_word_suffix or ""
        words = {word for token in spec.vocab for word in (token, token.removesuffix(suffix))}
        super().__init__(sorted(words), tokenize, raw, marks)
        self._pairs = PairTable(spec.vocab, spec.merges, len(prefix))
        self._initial = InitialSymbols(
            spec.vocab,
            self._pairs.separator,
            unk_token=spec.unk_token,
            fuse_unk=spec.fuse_unk,
            byte_fallback=spec.byte_fallback,
            prefix=prefix,
            suffix=suffix,
        )

    def _segment(self, stream: tf.Tensor, heads: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        symbols = merge_all(self._initial(stream), self._pairs)
        separators = tf.where(tf.equal(symbols, self._pairs.separator))[:, 0]
        return tf.cast(symbols, tf.int32), separators


def build(spec: BPE, context: BuildContext) -> tf.Module:
    """Compiles a BPE model."""
    raw = context.model_takes_text
    return BPEModel(spec, context.tokenizer.model.tokenize, raw, context.marks)
