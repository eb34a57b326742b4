"""From ids to text, as `PreTrainedTokenizerFast.decode` gives it."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.decoders.pieces import PieceTable
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.tables import constant

# The replacements of transformers' `clean_up_tokenization`, in its order:
# https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/tokenization_utils_base.py
CLEAN_UP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


class GraphDecoder(tf.Module):
    """Decodes rows of ids."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        rust = context.tokenizer
        size = max(rust.get_vocab().values()) + 1
        tokens = [rust.id_to_token(number) for number in range(size)]
        special = {token.content for token in context.spec.added_tokens if token.special}
        self._size = size
        self._dropped = constant([token is None for token in tokens] + [True])
        self._special = constant([token is None or token in special for token in tokens] + [True])
        decoder = rust.decoder
        if decoder is None:
            self._pieces = PieceTable(tokens, lambda items: " ".join(items).encode())
        else:
            self._pieces = PieceTable(tokens, lambda items: decoder.decode(items).encode())

    def __call__(
        self, ids: tf.Tensor, splits: tf.Tensor, skip_special_tokens: bool, clean_up: bool
    ) -> tf.Tensor:
        """int32 [m] in rows (int64 [batch + 1]) -> tf.string [batch]; unknown ids are left out."""
        ids = tf.where(tf.logical_or(ids < 0, ids >= self._size), self._size, ids)
        dropped = tf.gather(self._special if skip_special_tokens else self._dropped, ids)
        kept = tf.where(tf.logical_not(dropped))[:, 0]
        ids = tf.gather(ids, kept)
        splits = tf.searchsorted(kept, splits, out_type=tf.int64)
        pieces = self._pieces(ids, splits)
        texts = join_rows(pieces, splits)
        return clean_up_spaces(texts) if clean_up else texts


def join_rows(pieces: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """Strings [m] in rows (int64 [batch + 1]) -> one string a row [batch]."""
    rows = tf.searchsorted(
        splits, tf.range(tf.size(pieces, tf.int64)), side="right", out_type=tf.int64
    )
    return tf.strings.unsorted_segment_join(pieces, rows - 1, tf.size(splits) - 1)


def clean_up_spaces(texts: tf.Tensor) -> tf.Tensor:
    """transformers' ten literal replacements, one after the other."""
    for found, put in CLEAN_UP:
        pattern = "".join(f"\\{c}" if c in ".?" else c for c in found)
        texts = tf.strings.regex_replace(texts, pattern, put)
    return texts


def build(spec: specs.Component | None, context: BuildContext) -> tf.Module:
    """Compiles a decoder (or its absence: tokens joined by spaces)."""
    return GraphDecoder(context)
