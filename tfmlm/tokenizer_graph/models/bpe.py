"""Byte-pair encoding over code points, equal to the Rust library's `BPE`.

Words that are one token come from a table of whole words; the others go through the merges, all
words at once. `_merge_loop.py` says why that is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfmlm.tokenizer_graph.models._lookup import WordTable
from tfmlm.tokenizer_graph.models._merge_loop import merge_all
from tfmlm.tokenizer_graph.models._merges import PairTable
from tfmlm.tokenizer_graph.models._symbols import InitialSymbols
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import BPE
from tfmlm.tokenizer_graph.tables import constant

TokenizeWord = Callable[[str], Sequence]


class BPEModel(tf.Module):
    """Words to ids; see `registry.py` for the contract.

    Args:
        spec: the model's settings.
        tokenize: the Rust model's `tokenize`, which says what a word of the vocabulary becomes.
    """

    def __init__(self, spec: BPE, tokenize: TokenizeWord) -> None:
        super().__init__()
        prefix = spec.continuing_subword_prefix or ""
        suffix = spec.end_of_word_suffix or ""
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
        self._end = constant([self._pairs.separator], tf.int64)
        self._words = WordTable(_one_token_words(spec.vocab, suffix, tokenize))

    def __call__(self, codepoints: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ids = self._words(codepoints, splits)
        rest = tf.where(ids < 0)[:, 0]
        return tf.cond(
            tf.size(rest) > 0,
            lambda: self._with_merges(codepoints, splits, ids, rest),
            lambda: (ids, tf.range(tf.size(splits, tf.int64))),
        )

    def _with_merges(self, codepoints, splits, ids, rest) -> tuple[tf.Tensor, tf.Tensor]:
        # the place before a word's first character is to be its separator's
        taken = tf.raw_ops.RaggedRange(
            starts=tf.gather(splits, rest) - 1,
            limits=tf.gather(splits, rest + 1),
            deltas=tf.ones_like(rest),
        )
        characters = tf.gather(codepoints, tf.maximum(taken.rt_dense_values, 0))
        symbols = self._initial(characters, taken.rt_nested_splits[:-1])
        symbols = tf.concat([symbols, self._end], 0)
        symbols = merge_all(symbols, self._pairs)
        # word i is the range [i, i + 1) of a pool, or the range of its tokens behind them
        words = tf.size(ids, tf.int64)
        index = tf.range(words)
        heads = tf.where(tf.equal(symbols, self._pairs.separator))[:, 0] + words
        places = rest[:, tf.newaxis]
        starts = tf.tensor_scatter_nd_update(index, places, heads[:-1] + 1)
        limits = tf.tensor_scatter_nd_update(index + 1, places, heads[1:])
        order = tf.raw_ops.RaggedRange(starts=starts, limits=limits, deltas=tf.ones_like(index))
        pool = tf.concat([ids, tf.cast(symbols, tf.int32)], 0)
        return tf.gather(pool, order.rt_dense_values), order.rt_nested_splits


def _one_token_words(
    vocab: Mapping[str, int], suffix: str, tokenize: TokenizeWord
) -> dict[str, int]:
    """The words of the vocabulary that become one token: not all do, so Rust is asked."""
    found: dict[str, int] = {}
    for token in vocab:
        for word in {token, token.removesuffix(suffix)}:
            if word and len(tokens := tokenize(word)) == 1:
                found[word] = tokens[0].id
    return found


def build(spec: BPE, context: BuildContext) -> tf.Module:
    """Compiles a BPE model."""
    return BPEModel(spec, context.tokenizer.model.tokenize)
