"""Hash tables of the models, created once and tracked by their module."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf


class _Table(tf.Module):
    """Keys -> values, the default for others; shapes are kept."""

    def __init__(self, keys: np.ndarray, values: np.ndarray, default: int) -> None:
        super().__init__()
        self._table = _static_table(keys, values, default)
        self._default = values.dtype.type(default)

    def __call__(self, keys: tf.Tensor) -> tf.Tensor:
        # `StaticHashTable.lookup` with a default that is no argument of the branches around it
        """Keys [...] -> values [...]."""
        values = tf.raw_ops.LookupTableFindV2(
            table_handle=self._table.resource_handle, keys=keys, default_value=self._default
        )
        values.set_shape(keys.shape)
        return values


class IntegerTable(_Table):
    """int64 keys -> int64 values.

    Args:
        keys: int64 [n], distinct.
        values: int64 [n].
        default: the value of other keys.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray, default: int) -> None:
        super().__init__(np.asarray(keys, np.int64), np.asarray(values, np.int64), default)


class WordTable(_Table):
    """Whole words (tf.string) -> ids (int32), -1 for what is not there.

    Args:
        ids: UTF-8 of a word -> id.
    """

    def __init__(self, ids: Mapping[bytes, int]) -> None:
        words = np.array([*ids], dtype=object)
        super().__init__(words, np.fromiter(ids.values(), np.int32, len(ids)), -1)


def _static_table(keys: np.ndarray, values: np.ndarray, default: int) -> tf.lookup.StaticHashTable:
    key_dtype = tf.string if keys.dtype == object else tf.as_dtype(keys.dtype)
    if not len(keys):  # a table cannot be empty; this key has no value
        keys = np.array([b"" if key_dtype == tf.string else -1], keys.dtype)
        values = np.array([default], values.dtype)
    with tf.init_scope():
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys, key_dtype), tf.constant(values), key_dtype, values.dtype
        )
        return tf.lookup.StaticHashTable(initializer, default)
