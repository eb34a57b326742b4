"""WordLevel: a word is a token or unknown."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import BuildContext, Model
from tfmlm.tokenizer_graph.ops.text import encode_words
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import WordLevel


class WordLevelModel(tf.Module):
    """Words to ids with a hash table; see `Model` in `component.py`."""

    counts_bytes = False

    def __init__(self, spec: WordLevel) -> None:
        super().__init__()
        with tf.init_scope():
            self._table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    list(spec.vocab), list(spec.vocab.values()), tf.string, tf.int64
                ),
                default_value=spec.vocab[spec.unk_token],
            )

    def __call__(self, codepoints: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Model`."""
        ids = self._table.lookup(encode_words(codepoints, splits))
        return tf.cast(ids, tf.int32), tf.range(tf.size(splits, tf.int64))

    def located(
        self, codepoints: tf.Tensor, splits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `Model`."""
        return *self(codepoints, splits), splits[:-1], splits[1:]


@builds(WordLevel)
def build(spec: WordLevel, context: BuildContext) -> Model:
    """Compiles a WordLevel model."""
    return WordLevelModel(spec)
