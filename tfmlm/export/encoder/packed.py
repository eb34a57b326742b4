"""BERT's encoder for serving: no padding in dense layers, the last layer at mask positions only.

Same mathematics as transformers' TF models, laid out for TensorFlow's CPU kernels: all tokens of
the batch are the rows of one matrix, so that each dense layer is one matrix product, or a few,
which the graph optimizer fuses with bias, activation and residual; attention alone sees padded
rows. Splitting into heads and padding, and the way back, are one gather each, by indices that all
layers share.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfmlm.export.encoder.packed_layers import (
    Dense,
    LastLayer,
    Norm,
    PackedLayer,
    are_few,
    merge_index,
)
from tfmlm.export.encoder.packed_parts import EmbeddingParts, HeadParts, parts_of
from tfmlm.export.encoder.predictor import TokenTypes


class PackedPredictor(tf.Module):
    """Logits at mask positions; see the module's text. Owns its variables."""

    def __init__(
        self, model: Any, token_types: TokenTypes | None, dense: type[Dense] = Dense
    ) -> None:
        """Takes a built model for which `is_packable` holds.

        Args:
            model: the model.
            token_types: what its tokenizer gives as `token_type_ids`, None if it gives none.
            dense: how matrix products are computed.
        """
        super().__init__(name="predictor")
        config = model.config
        self._heads = getattr(config, "n_heads", None) or config.num_attention_heads
        parts = parts_of(model)
        self.embeddings = _Embeddings(parts.embeddings, token_types, dense)
        self.layers = [PackedLayer(layer, self._heads, dense) for layer in parts.layers[:-1]]
        self.last = LastLayer(parts.layers[-1], self._heads, dense)
        self.transform = _HeadTransform(parts.head, dense)
        self.output = dense(parts.head.matrix, parts.head.bias, transposed=True)

    def __call__(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """Logits [N, vocabulary] at `indices` int32 [N, 2], ascending by row, N at least 1."""
        return self.head(self.hidden(input_ids, attention_mask, indices))

    def head(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits [n, vocabulary] of what `hidden` gives, [n, embedding]."""
        return self.output(hidden)

    def hidden(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """What is multiplied by the output matrix at `indices` int32 [N, 2]: [N, embedding].

        `indices` are ascending by row, N is at least 1.
        """
        shape = tf.shape(attention_mask)
        # First positions always count, so that there is a token even if no row attends to any.
        first = tf.equal(tf.range(shape[1]), 0)
        valid = tf.cast(tf.where(tf.not_equal(attention_mask, 0) | first), tf.int32)
        hidden = self.embeddings(input_ids, attention_mask, valid)
        # Padding takes the first token's values: as a key it is masked, as a query it is dropped.
        place = tf.scatter_nd(valid, tf.range(tf.shape(valid)[0]), shape)
        # Indexing comes last, not the multiplication: the graph optimizer fuses the product of
        # queries and keys with the addition of this only if this is no product itself.
        bias = (tf.cast(1 - attention_mask, hidden.dtype) * -10000.0)[:, tf.newaxis, tf.newaxis]
        merge = merge_index(valid, self._heads, shape[1])
        few = are_few(hidden)
        split = self.layers[0].split_index(place) if self.layers else None
        for layer in self.layers:
            hidden = layer(hidden, split, merge, bias, few)
        return self.transform(self.last(hidden, place, indices, bias))


class Rows(tf.Module):
    """Rows of a table."""

    def __init__(self, table: tf.Variable) -> None:
        """Takes the table [rows, width]."""
        super().__init__(name="rows")
        self.table = table

    def __call__(self, numbers: tf.Tensor) -> tf.Tensor:
        """Numbers of rows int32 [n] -> [n, width]."""
        return tf.gather(self.table, numbers)


class _Embeddings(tf.Module):
    """Word, position and token type embeddings, normalized, as wide as the encoder."""

    def __init__(
        self, parts: EmbeddingParts, token_types: TokenTypes | None, dense: type[Dense]
    ) -> None:
        super().__init__(name="embeddings")
        self.word, self.position = Rows(parts.word), parts.position
        self.norm = Norm(parts.norm)
        self.project = None if parts.project is None else dense.of(parts.project)
        self._position_ids = parts.position_ids
        self._token_types = token_types
        self.token_type = parts.token_type
        if parts.token_type is not None and (token_types is None or token_types.are_zero):
            # All tokens have the same type: its row is part of every position's.
            rows = (tf.cast(t, tf.float32) for t in (parts.position, parts.token_type[:1]))
            summed = tf.cast(sum(rows), parts.position.dtype)
            self.position, self.token_type = tf.Variable(summed, trainable=False), None

    def __call__(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, places: tf.Tensor
    ) -> tf.Tensor:
        """[n, hidden] for `places` int32 [n, 2], (row, position) in ids and mask [R, T]."""
        positions = places[:, 1]
        if self._position_ids is not None:
            positions = tf.gather_nd(self._position_ids(input_ids), places)
        embedded = self.word(tf.gather_nd(input_ids, places))
        embedded += tf.gather(self.position, positions)
        if self.token_type is not None:
            assert self._token_types is not None
            types = tf.gather_nd(self._token_types(attention_mask), places)
            embedded += tf.gather(self.token_type, types)
        normed = self.norm(embedded, are_few(embedded))
        return normed if self.project is None else self.project(normed)


class _HeadTransform(tf.Module):
    """What the head does before the product with the output matrix."""

    def __init__(self, parts: HeadParts, dense: type[Dense]) -> None:
        super().__init__(name="transform")
        self.dense, self.norm = dense.of(parts.dense), Norm(parts.norm)
        self._activation = parts.activation

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        """[n, hidden] -> [n, embedding]."""
        inner = self._activation(self.dense(rows))
        return self.norm(inner, are_few(inner))
