"""Keeps rows of one batch from touching each other through padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.export.graph.settings import ExportSettings

#: Above what the order of additions makes of a logit in float32, far below what padding does.
_TOLERANCE = 1e-3
_LENGTH, _PADDED = 9, 24


def padding_is_neutral(predictor: Any, settings: ExportSettings) -> bool:
    """Whether a row's logits are the same alone and padded: tried out on one row.

    They are not where the encoder mixes neighbouring positions without regard to the attention
    mask: ConvBERT's convolutions, MobileBERT's trigram embeddings, Funnel's pooling.
    """
    generator = np.random.default_rng(0)
    length = min(_LENGTH, settings.max_length)
    padded = min(_PADDED, settings.max_length)
    row = generator.integers(0, settings.vocab_size, [1, length])
    row[row == settings.pad_id] = settings.mask_id
    ids = np.full([1, padded], settings.pad_id)
    ids[:, :length] = row
    ids = tf.constant(ids, tf.int32)
    mask = tf.cast(tf.range(padded)[tf.newaxis] < length, tf.int32)
    indices = tf.stack([tf.zeros([length], tf.int32), tf.range(length)], 1)
    alone = predictor(ids[:, :length], mask[:, :length], indices)
    among = predictor(ids, mask, indices)
    return bool(tf.reduce_max(tf.abs(tf.cast(alone - among, tf.float32))) < _TOLERANCE)


class EqualLengths(tf.Module):
    """Runs a predictor on rows of equal length at a time, without any padding."""

    def __init__(self, predictor: Any) -> None:
        super().__init__(name="equal_lengths")
        self.predictor = predictor
        ids = tf.zeros([1, _LENGTH], tf.int32)
        example = predictor.hidden(ids, tf.ones_like(ids), tf.zeros([1, 2], tf.int32))
        self._example = tf.TensorSpec([None, example.shape[-1]], example.dtype)

    def __call__(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """As the predictor: logits [N, vocabulary]."""
        return self.head(self.hidden(input_ids, attention_mask, indices))

    def head(self, hidden: tf.Tensor) -> tf.Tensor:
        """As the predictor: logits [n, vocabulary]."""
        return self.predictor.head(hidden)

    def hidden(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """As the predictor: hidden states [N, hidden]."""
        column = tf.range(tf.shape(input_ids)[1]) + 1
        lengths = tf.reduce_max(attention_mask * column, axis=1)
        distinct, group = tf.unique(tf.maximum(lengths, 1))
        of_mask = tf.gather(group, indices[:, 0])

        def run(number: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            chosen = tf.equal(group, number)
            length = distinct[number]
            rows = tf.where(chosen)[:, 0]
            place = tf.cumsum(tf.cast(chosen, tf.int32)) - 1
            masks = tf.where(tf.equal(of_mask, number))
            own = tf.gather(indices, masks[:, 0])
            found = self.predictor.hidden(
                tf.gather(input_ids, rows)[:, :length],
                tf.gather(attention_mask, rows)[:, :length],
                tf.stack([tf.gather(place, own[:, 0]), own[:, 1]], 1),
            )
            return number + 1, tf.tensor_scatter_nd_update(hidden, masks, found)

        example = self._example
        _, hidden = tf.while_loop(
            lambda number, _: number < tf.shape(distinct)[0],
            run,
            (0, tf.zeros([tf.shape(indices)[0], example.shape[-1]], example.dtype)),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([None, example.shape[-1]]),
            ),
            parallel_iterations=1,
        )
        return hidden
