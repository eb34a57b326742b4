"""Hash tables of the models, created once and tracked by their module."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.text import encode_words


class IntegerTable(tf.Module):
    """int64 keys -> int64 values.

    Args:
        keys: int64 [n], distinct.
        values: int64 [n].
        default: the value of other keys.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray, default: int) -> None:
        super().__init__()
        self._table = _static_table(
            np.asarray(keys, np.int64), np.asarray(values, np.int64), default
        )

    def __call__(self, keys: tf.Tensor) -> tf.Tensor:
        """int64 [n] -> int64 [n]."""
        return self._table.lookup(keys)


class WordTable(tf.Module):
    """Whole words -> ids.

    Args:
        ids: word -> id.
    """

    def __init__(self, ids: Mapping[str, int]) -> None:
        super().__init__()
        words = np.array([word.encode() for word in ids], dtype=object)
        self._table = _static_table(words, np.fromiter(ids.values(), np.int32, len(ids)), -1)

    def __call__(self, codepoints: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """Code points int32 [n], splits int64 [words + 1] -> ids int32 [words], -1 if not there."""
        return self._table.lookup(encode_words(codepoints, splits))


def _static_table(keys: np.ndarray, values: np.ndarray, default: int):
    key_dtype = tf.string if keys.dtype == object else tf.as_dtype(keys.dtype)
    if not len(keys):  # a table cannot be empty; this key is never asked for, and has no value
        keys = np.array([b"" if key_dtype == tf.string else -1], keys.dtype)
        values = np.array([default], values.dtype)
    with tf.init_scope():
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys, key_dtype), tf.constant(values), key_dtype, values.dtype
        )
        return tf.lookup.StaticHashTable(initializer, default)
