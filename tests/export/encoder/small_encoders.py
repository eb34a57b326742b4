"""An encoder of one table whose answers NumPy can give."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

VOCABULARY, HIDDEN = 99, 6


class Mean(tf.Module):
    """A token's row, the mean of the tokens that count, and, if touching, the row before it."""

    def __init__(self, touching: bool) -> None:
        super().__init__()
        generator = np.random.default_rng(0)
        self.touching = touching
        self.table = tf.Variable(generator.normal(size=(VOCABULARY, HIDDEN)).astype(np.float32))
        self.out = tf.Variable(generator.normal(size=(HIDDEN, VOCABULARY)).astype(np.float32))

    def hidden(self, ids: tf.Tensor, mask: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        rows = tf.gather(self.table, ids)
        real = tf.cast(mask, tf.float32)[:, :, tf.newaxis]
        mean = tf.reduce_sum(rows * real, 1, keepdims=True) / tf.reduce_sum(real, 1, keepdims=True)
        if self.touching:
            mean = mean + tf.roll(rows, 1, axis=1)  # the first token has the last one before it
        return tf.gather_nd(rows + mean, indices)

    def head(self, hidden: tf.Tensor) -> tf.Tensor:
        return tf.matmul(hidden, self.out)

    def __call__(self, ids: tf.Tensor, mask: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        return self.head(self.hidden(ids, mask, indices))

    def expected(self, row: np.ndarray, place: int) -> np.ndarray:
        """Logits at a place of a row without padding, by NumPy."""
        rows = self.table.numpy()[row]
        hidden = rows[place] + rows.mean(0) + (rows[place - 1] if self.touching else 0.0)
        return hidden @ self.out.numpy()
