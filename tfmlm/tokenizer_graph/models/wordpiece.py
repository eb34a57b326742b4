"""WordPiece: greedy longest match first, with TF Text's linear-time op.

Strings are re-spelled before the op sees them, so that nothing depends on how it treats prefixes,
NUL or unknown characters: the continuing prefix becomes one private character, a character
that the vocabulary does not hold becomes U+0001, which no piece holds.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder as builder
from tensorflow_text.python.ops.fast_wordpiece_tokenizer import gen_fast_wordpiece_tokenizer

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.tables import ValueTable, constant
from tfmlm.tokenizer_graph.ops.text import encode_words
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import WordPiece

UNKNOWN_CHARACTER = 0x01
# Characters for which the op's own strings have a meaning are re-spelled from here on
# (Supplementary Private Use Area-B); the first is the continuing prefix.
PRIVATE = 0x100000
RESPELLED = (0x00, UNKNOWN_CHARACTER)


class WordPieceModel(tf.Module):
    """Words to ids; see `registry.py` for the contract."""

    def __init__(self, spec: WordPiece) -> None:
        super().__init__()
        alphabet = sorted({ord(c) for token in spec.vocab for c in token})
        spelling = np.full(0x110000, UNKNOWN_CHARACTER, np.int32)
        private = PRIVATE + 1
        for c in alphabet:
            if c in RESPELLED or c >= PRIVATE:
                spelling[c] = private
                private += 1
            else:
                spelling[c] = c
        pieces, ids = _pieces(spec, lambda text: "".join(chr(spelling[ord(c)]) for c in text))
        self._spelling = ValueTable(spelling, UNKNOWN_CHARACTER)
        self._ids = constant(np.array(ids, np.int32))
        self._max_characters = spec.max_input_chars_per_word
        try:
            model = builder.build_fast_wordpiece_model(
                pieces, 4 * self._max_characters + 16, chr(PRIVATE), pieces[0], True, False
            )
        except Exception as error:
            raise UnsupportedTokenizerError(
                "model.vocab", f"a vocabulary that TF Text cannot hold ({error})"
            ) from None
        self._model = constant(np.frombuffer(model, np.uint8))

    def __call__(self, codepoints: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        spelled = self._spelling(codepoints)
        lengths = splits[1:] - splits[:-1]
        too_long = lengths > self._max_characters
        spelled, splits = branch(
            tf.reduce_any(too_long),
            lambda: _shorten(spelled, splits, lengths, too_long),
            lambda: (spelled, splits),
        )
        _, pieces, id_splits, _, _ = (
            gen_fast_wordpiece_tokenizer.fast_wordpiece_tokenize_with_offsets(
                input_values=encode_words(spelled, splits), wp_model=self._model
            )
        )
        return tf.gather(self._ids, pieces), id_splits


def _pieces(spec: WordPiece, spell) -> tuple[list[str], list[int]]:
    """Pieces as the op is to see them, the unknown one first, and the id of each."""
    found = {"": spec.vocab[spec.unk_token]}
    prefix = spec.continuing_subword_prefix
    for token, number in spec.vocab.items():
        if token:
            found[spell(token)] = number
        if token.startswith(prefix) and len(token) > len(prefix):
            found[chr(PRIVATE) + spell(token[len(prefix) :])] = number
    del found[""]
    unknown = spell(spec.unk_token)
    ordered = [unknown, *(piece for piece in found if piece != unknown)]
    return ordered, [found[piece] for piece in ordered]


def _shorten(spelled, splits, lengths, too_long):
    """Makes every word over the limit a single unknown character."""
    firsts = tf.boolean_mask(splits[:-1], too_long)[:, tf.newaxis]
    spelled = tf.tensor_scatter_nd_update(
        spelled, firsts, tf.fill(tf.shape(firsts)[:1], UNKNOWN_CHARACTER)
    )
    lengths = tf.where(too_long, tf.constant(1, lengths.dtype), lengths)
    kept = tf.raw_ops.RaggedRange(
        starts=splits[:-1], limits=splits[:-1] + lengths, deltas=tf.ones_like(lengths)
    )
    return tf.gather(spelled, kept.rt_dense_values), kept.rt_nested_splits


def build(spec: WordPiece, context: BuildContext) -> tf.Module:
    """Compiles a WordPiece model."""
    return WordPieceModel(spec)
