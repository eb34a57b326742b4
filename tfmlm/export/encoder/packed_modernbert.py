"""ModernBERT for serving: no padding outside of attention, the last layer at mask positions only.

As in `packed`, all tokens of the batch are the rows of one matrix; attention alone sees padding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfmlm.architectures.attention import LocalAttention, Sight, WholeAttention
from tfmlm.architectures.modernbert_config import FULL
from tfmlm.architectures.rotary import rotate, rotation
from tfmlm.export.encoder.packed_layers import Norm, are_few, slots_of


class PackedModernBert(tf.Module):
    """Logits at mask positions; see the module's text. Owns its variables."""

    def __init__(self, model: Any) -> None:
        """Takes a built `TFModernBertForMaskedLM`."""
        super().__init__(name="predictor")
        config = model.config
        self._thetas = config.global_rope_theta, config.local_rope_theta
        self._reach = config.local_attention // 2
        self._width = config.hidden_size // config.num_attention_heads
        table = model.decoder.get_output_embeddings().weight
        self.word, self.output = model.model.get_input_embeddings().weight, table
        self.output_bias = model.decoder.bias if model.decoder.use_bias else None
        self.norm = Norm(model.model.embeddings.norm)
        *layers, last = model.model.layers
        self.layers = [_Layer(layer, self._width) for layer in layers]
        self.last = _LastLayer(last, self._width)
        self.final_norm = Norm(model.model.final_norm)
        self.head_dense, self._head_act = _Product(model.head.dense), model.head.act
        self.head_norm = Norm(model.head.norm)

    def __call__(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """Logits [N, vocabulary] at `indices` int32 [N, 2], ascending by row, N at least 1."""
        return self.head(self.hidden(input_ids, attention_mask, indices))

    def head(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits [n, vocabulary] of what `hidden` gives, [n, H]."""
        logits = tf.matmul(hidden, self.output, transpose_b=True)
        return logits if self.output_bias is None else tf.nn.bias_add(logits, self.output_bias)

    def hidden(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """What is multiplied by the output embeddings at `indices` int32 [N, 2]: [N, H].

        `indices` are ascending by row, N is at least 1.
        """
        # First positions always count, so that there is a token even if no row attends to any.
        first = tf.equal(tf.range(tf.shape(attention_mask)[1]), 0)
        valid = tf.cast(tf.where(tf.not_equal(attention_mask, 0) | first), tf.int32)
        # Padding takes the first token's values: as a key it is masked, as a query it is dropped.
        place = tf.scatter_nd(valid, tf.range(tf.shape(valid)[0]), tf.shape(attention_mask))
        embedded = tf.gather(self.word, tf.gather_nd(input_ids, valid))
        hidden = self.norm(embedded, are_few(embedded))
        sight = Sight.of(attention_mask, None)
        whole = WholeAttention(sight, hidden.dtype)
        local = LocalAttention(sight, self._reach, hidden.dtype)
        position = valid[tf.newaxis, :, 1]
        turns = [rotation(position, theta, self._width) for theta in self._thetas]
        for layer in self.layers:
            kind = 0 if layer.is_whole else 1
            hidden = layer(hidden, turns[kind], (whole, local)[kind], valid, place)
        last = self.last
        reach = None if last.is_whole else self._reach
        turn = turns[0 if last.is_whole else 1]
        rows = last(hidden, turn, attention_mask, place, indices, reach)
        rows = self.final_norm(rows, are_few(rows))
        inner = self._head_act(self.head_dense(rows))
        return self.head_norm(inner, are_few(inner))


class _Product(tf.Module):
    """A matrix product, and a bias if the layer has one."""

    def __init__(self, layer: Any, columns: slice | None = None) -> None:
        """Shares the variables of a Keras Dense, or holds some columns of them."""
        super().__init__(name="product")
        self.kernel, self.bias = layer.kernel, layer.bias if layer.use_bias else None
        if columns is not None:
            self.kernel = tf.Variable(layer.kernel[:, columns], trainable=False)
            if self.bias is not None:
                self.bias = tf.Variable(self.bias[columns], trainable=False)

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        """[n, inputs] -> [n, outputs]."""
        product = tf.matmul(rows, self.kernel)
        return product if self.bias is None else tf.nn.bias_add(product, self.bias)


class _FeedForward(tf.Module):
    """Norm, gated dense layers, and the input added."""

    def __init__(self, layer: Any) -> None:
        super().__init__(name="feed_forward")
        self.norm = Norm(layer.mlp_norm)
        self.inner, self.outer = _Product(layer.mlp.Wi), _Product(layer.mlp.Wo)
        self._activation: Callable[[tf.Tensor], tf.Tensor] = layer.mlp.act

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        inner, gate = tf.split(self.inner(self.norm(hidden, are_few(hidden))), 2, axis=-1)
        return tf.add_n([self.outer(self._activation(inner) * gate), hidden])


class _Base(tf.Module):
    """What all layers and the last have in common."""

    def __init__(self, layer: Any, width: int) -> None:
        super().__init__(name="layer")
        self.is_whole = layer.attn.kind == FULL
        self._width = width
        self.norm = None if layer.attn_norm is None else Norm(layer.attn_norm)
        self.attention_output = _Product(layer.attn.Wo)
        self.feed_forward = _FeedForward(layer)

    def _normed(self, hidden: tf.Tensor) -> tf.Tensor:
        return hidden if self.norm is None else self.norm(hidden, are_few(hidden))

    def _heads(self, rows: tf.Tensor) -> tf.Tensor:
        """[n, heads * width] -> [n, heads, width]."""
        return tf.reshape(rows, [-1, rows.shape[1] // self._width, self._width])

    def _turned(self, heads: tf.Tensor, turn: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Heads [n, heads, width] rotated."""
        return rotate(heads[tf.newaxis], turn)[0]

    def _scaled(self, query: tf.Tensor) -> tf.Tensor:
        return query * tf.constant(self._width**-0.5, query.dtype)

    def _rest(self, hidden: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return self.feed_forward(tf.add_n([self.attention_output(context), hidden]))


class _Layer(_Base):
    """An encoder layer on all tokens."""

    def __init__(self, layer: Any, width: int) -> None:
        super().__init__(layer, width)
        self.query_key_value = _Product(layer.attn.Wqkv)

    def __call__(
        self,
        hidden: tf.Tensor,
        turn: tuple[tf.Tensor, tf.Tensor],
        attention: Any,
        valid: tf.Tensor,
        place: tf.Tensor,
    ) -> tf.Tensor:
        """The next hidden states [n, H]; valid int32 [n, 2] and place int32 [R, T] of tokens."""
        size = hidden.shape[1]
        heads = self._heads(self.query_key_value(self._normed(hidden)))
        count = size // self._width
        turned = self._turned(heads[:, : 2 * count], turn)
        parts = self._scaled(turned[:, :count]), turned[:, count:], heads[:, 2 * count :]
        context, _ = attention(*(tf.gather(part, place) for part in parts))
        return self._rest(hidden, tf.reshape(tf.gather_nd(context, valid), [-1, size]))


class _LastLayer(_Base):
    """The last layer: keys and values of all tokens, everything else of the masks alone."""

    def __init__(self, layer: Any, width: int) -> None:
        super().__init__(layer, width)
        size = int(layer.attn.Wqkv.kernel.shape[0])
        self.query = _Product(layer.attn.Wqkv, slice(0, size))
        self.key_value = _Product(layer.attn.Wqkv, slice(size, 3 * size))

    def __call__(
        self,
        hidden: tf.Tensor,
        turn: tuple[tf.Tensor, tf.Tensor],
        attention_mask: tf.Tensor,
        place: tf.Tensor,
        indices: tf.Tensor,
        reach: int | None,
    ) -> tf.Tensor:
        """Hidden states [N, H] at `indices` int32 [N, 2], ascending by row; place int32 [R, T].

        With `reach`, masks see tokens at most that far away.
        """
        normed = self._normed(hidden)
        key, value = tf.split(self._heads(self.key_value(normed)), 2, axis=1)
        own = tf.gather_nd(place, indices)
        query = self._heads(self.query(tf.gather(normed, own)))
        turn_of_masks = tuple(tf.gather(part, own, axis=1) for part in turn)
        query = self._scaled(self._turned(query, turn_of_masks))
        slot, number = slots_of(indices, tf.shape(place)[0])
        parts = (
            tf.gather(query, number),
            *(tf.gather(part, place) for part in (self._turned(key, turn), value)),
        )
        query, key, value = (tf.transpose(part, [0, 2, 1, 3]) for part in parts)
        seen = tf.equal(attention_mask, 1)[:, tf.newaxis, tf.newaxis]
        if reach is not None:
            column = tf.range(tf.shape(place)[1])
            position = tf.gather(indices[:, 1], number)
            near = tf.abs(position[:, :, tf.newaxis] - column) <= reach
            seen = seen & near[:, tf.newaxis]
        bias = tf.where(
            seen, tf.constant(0, query.dtype), tf.constant(query.dtype.min, query.dtype)
        )
        scores = tf.cast(tf.matmul(query, key, transpose_b=True) + bias, tf.float32)
        context = tf.matmul(tf.cast(tf.nn.softmax(scores), value.dtype), value)
        merged = tf.gather_nd(tf.transpose(context, [0, 2, 1, 3]), slot)
        return self._rest(tf.gather(hidden, own), tf.reshape(merged, [-1, hidden.shape[1]]))
