"""Pre-tokenizers that leave every element where it is."""

from __future__ import annotations

from abc import abstractmethod

import tensorflow as tf


class InPlace(tf.Module):
    """A `PreTokenizer` that flags starts and makes delimiters `GAP`, and adds nothing."""

    @abstractmethod
    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""

    def with_sources(
        self, stream: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        return *self(stream, starts), tf.range(tf.size(stream, tf.int64))
