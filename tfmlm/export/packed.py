"""BERT's encoder for serving: no padding in dense layers, the last layer at mask positions only.

Same mathematics as transformers' TF models, laid out for TensorFlow's CPU kernels: all tokens of
the batch are the rows of one matrix, so that each dense layer is one matrix product which the
graph optimizer fuses with its bias, activation and residual; queries, keys and values are one
product; attention alone sees padded rows. Splitting into heads and padding, and the way back, are
one gather each, by indices that all layers share. Embeddings and head are the model's own layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfmlm.export.predictor import TokenTypes, run_with
from tfmlm.mlm_head.masked_positions import base_layer


@dataclass(frozen=True)
class LayerParts:
    """Where one layer of a transformers model keeps its dense layers and norms."""

    query: Any
    key: Any
    value: Any
    attention_output: Any
    attention_norm: Any
    intermediate: Any
    activation: Any
    output: Any
    output_norm: Any


def _bert_layers(base: Any) -> list[LayerParts]:
    return [
        LayerParts(
            layer.attention.self_attention.query,
            layer.attention.self_attention.key,
            layer.attention.self_attention.value,
            layer.attention.dense_output.dense,
            layer.attention.dense_output.LayerNorm,
            layer.intermediate.dense,
            layer.intermediate.intermediate_act_fn,
            layer.bert_output.dense,
            layer.bert_output.LayerNorm,
        )
        for layer in base.encoder.layer
    ]


def _distilbert_layers(base: Any) -> list[LayerParts]:
    return [
        LayerParts(
            layer.attention.q_lin,
            layer.attention.k_lin,
            layer.attention.v_lin,
            layer.attention.out_lin,
            layer.sa_layer_norm,
            layer.ffn.lin1,
            layer.ffn.activation,
            layer.ffn.lin2,
            layer.output_layer_norm,
        )
        for layer in base.transformer.layer
    ]


#: Model type -> its layers. Others run as transformers wrote them.
LAYERS = {
    "bert": _bert_layers,
    "camembert": _bert_layers,
    "distilbert": _distilbert_layers,
    "electra": _bert_layers,
    "roberta": _bert_layers,
    "xlm-roberta": _bert_layers,
}


def is_packable(model: Any) -> bool:
    """Whether the model's encoder is one that this module lays out."""
    config = model.config
    return (
        config.model_type in LAYERS
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and not getattr(config, "is_decoder", False)
    )


class PackedPredictor(tf.Module):
    """Logits at mask positions; see the module's text. Owns its variables."""

    def __init__(self, model: Any, token_types: TokenTypes | None) -> None:
        """Takes a built model for which `is_packable` holds."""
        super().__init__(name="predictor")
        base = base_layer(model)
        config = model.config
        self._heads = getattr(config, "n_heads", None) or config.num_attention_heads
        parts = LAYERS[config.model_type](base)
        self.layers = [_PackedLayer(part, self._heads) for part in parts[:-1]]
        self.last = _LastLayer(parts[-1], self._heads)
        packed = {id(v) for part in parts for v in _variables(part)}
        self.weights = [v for v in model.variables if id(v) not in packed]
        self._embed = lambda inputs, places: _embeddings(base, inputs, places)
        self._head = lambda hidden: _head(model, hidden)
        self._token_types = token_types

    def __call__(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """Logits [N, vocabulary] at `indices` int32 [N, 2], ascending by row, N at least 1."""
        return self.head(self.hidden(input_ids, attention_mask, indices))

    def head(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits [n, vocabulary] of hidden states [n, hidden]."""
        return self._head(hidden)

    def hidden(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """Hidden states [N, hidden] at `indices` int32 [N, 2], ascending by row, N at least 1."""
        inputs = {"input_ids": input_ids}
        if self._token_types is not None:
            inputs["token_type_ids"] = self._token_types(input_ids)
        shape = tf.shape(attention_mask)
        # First positions always count, so that there is a token even if no row attends to any.
        first = tf.equal(tf.range(shape[1]), 0)
        valid = tf.cast(tf.where(tf.not_equal(attention_mask, 0) | first), tf.int32)
        hidden = self._embed(inputs, valid)
        # Padding takes the first token's values: as a key it is masked, as a query it is dropped.
        place = tf.scatter_nd(valid, tf.range(tf.shape(valid)[0]), shape)
        bias = tf.cast(1 - attention_mask, hidden.dtype)[:, tf.newaxis, tf.newaxis] * -10000.0
        split = _split_index(place, 3, self._heads)
        merge = _merge_index(valid, self._heads, shape[1])
        few = _are_few(hidden)
        for layer in self.layers:
            hidden = layer(hidden, split, merge, bias, few)
        return self.last(hidden, place, indices, bias)


def _split_index(place: tf.Tensor, parts: int, heads: int) -> tf.Tensor:
    """Which head vector of n tokens stands where each is a key, a query or a value.

    Args:
        place: int32 [R, T], the token at each position.
        parts: how many of key, query and value a token's vectors hold, one after another.

    Returns:
        int32 [parts, R, heads, T], rows of [n * parts * heads, width].
    """
    number = tf.reshape(tf.range(parts * heads), [parts, 1, heads, 1])
    return place[tf.newaxis, :, tf.newaxis] * (parts * heads) + number


def _merge_index(position: tf.Tensor, heads: int, columns: tf.Tensor) -> tf.Tensor:
    """The way back: rows of [R * heads * columns, width] for `position` [n, 2]: [n, heads]."""
    return (position[:, :1] * heads + tf.range(heads)) * columns + position[:, 1:]


class _Layer(tf.Module):
    """What all layers and the last have in common."""

    def __init__(self, parts: LayerParts, heads: int) -> None:
        super().__init__(name="layer")
        self._heads = heads
        self._size = int(parts.query.kernel.shape[1])
        self._width = self._size // heads
        # In bfloat16 the optimizer makes one operation of product, factor and bias; in float32 it
        # does not, and the factor is part of the weights.
        self._scales_scores = parts.query.kernel.dtype == tf.bfloat16
        self.attention_output = [
            parts.attention_output.kernel,
            parts.attention_output.bias,
        ]
        self.intermediate = [parts.intermediate.kernel, parts.intermediate.bias]
        self.output = [parts.output.kernel, parts.output.bias]
        self._norms = [_Norm(parts.attention_norm), _Norm(parts.output_norm)]
        self._activation = parts.activation

    def _joined(self, query: Any, *others: Any) -> list[tf.Variable]:
        """Kernel and bias of dense layers side by side, the query's scaled by 1 / √width."""
        layers = [d for d in (query, *others) if d is not None]
        factors = [1.0] * len(layers)
        if query is not None and not self._scales_scores:
            factors[0] = self._width**-0.5
        dtype = layers[0].kernel.dtype
        return [
            tf.Variable(
                tf.cast(
                    tf.concat(
                        [
                            tf.cast(getattr(d, name), tf.float32) * factor
                            for d, factor in zip(layers, factors, strict=True)
                        ],
                        axis=-1,
                    ),
                    dtype,
                ),
                trainable=False,
            )
            for name in ("kernel", "bias")
        ]

    def _split(self, tokens: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """[n, parts * H] -> [..., width] as `index` says."""
        return tf.gather(tf.reshape(tokens, [-1, self._width]), index)

    def _attend(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        bias: tf.Tensor,
        merge: tf.Tensor,
    ) -> tf.Tensor:
        """Context [n, H] of queries [R, heads, queries, width]; merge int32 [n, heads]."""
        scores = tf.matmul(query, key, transpose_b=True)
        if self._scales_scores:
            scores *= tf.constant(self._width**-0.5, scores.dtype)
        # On processors with units for bfloat16 the kernel of softmax computes in float32.
        context = tf.matmul(tf.nn.softmax(scores + bias), value)
        merged = tf.gather(tf.reshape(context, [-1, self._width]), merge)
        return tf.reshape(merged, [-1, self._size])

    def _rest(self, hidden: tf.Tensor, context: tf.Tensor, few: tf.Tensor) -> tf.Tensor:
        attention_norm, output_norm = self._norms
        hidden = attention_norm(_dense(context, self.attention_output) + hidden, few)
        inner = self._activation(_dense(hidden, self.intermediate))
        return output_norm(_dense(inner, self.output) + hidden, few)


class _PackedLayer(_Layer):
    """An encoder layer on all tokens."""

    def __init__(self, parts: LayerParts, heads: int) -> None:
        super().__init__(parts, heads)
        self.query_key_value = self._joined(parts.query, parts.key, parts.value)

    def __call__(
        self,
        hidden: tf.Tensor,
        split: tf.Tensor,
        merge: tf.Tensor,
        bias: tf.Tensor,
        few: tf.Tensor,
    ) -> tf.Tensor:
        """The next hidden states [n, H]; split int32 [3, R, heads, T], merge int32 [n, heads]."""
        three = self._split(_dense(hidden, self.query_key_value), split)
        query, key, value = tf.unstack(three)
        return self._rest(hidden, self._attend(query, key, value, bias, merge), few)


class _LastLayer(_Layer):
    """The last layer: keys and values of all tokens, everything else of the masks alone."""

    def __init__(self, parts: LayerParts, heads: int) -> None:
        super().__init__(parts, heads)
        self.query = self._joined(parts.query)
        self.key_value = self._joined(None, parts.key, parts.value)

    def __call__(
        self, hidden: tf.Tensor, place: tf.Tensor, indices: tf.Tensor, bias: tf.Tensor
    ) -> tf.Tensor:
        """Hidden states [N, H] at `indices` int32 [N, 2], ascending by row; place int32 [R, T]."""
        split = _split_index(place, 2, self._heads)
        key, value = tf.unstack(self._split(_dense(hidden, self.key_value), split))
        own = tf.gather(hidden, tf.gather_nd(place, indices))
        row, rows, masks = (
            indices[:, 0],
            tf.shape(place)[0],
            tf.range(tf.shape(indices)[0]),
        )
        count = tf.math.bincount(row, minlength=rows, maxlength=rows, dtype=tf.int32)
        most = tf.reduce_max(count)
        slot = masks - tf.gather(tf.cumsum(count, exclusive=True), row)
        position = tf.stack([row, slot], 1)
        number = tf.scatter_nd(position, masks, tf.stack([rows, most]))
        split = _split_index(number, 1, self._heads)[0]
        query = self._split(_dense(own, self.query), split)
        merge = _merge_index(position, self._heads, most)
        return self._rest(own, self._attend(query, key, value, bias, merge), _are_few(own))


#: Up to so many numbers TensorFlow's elementwise kernels are quicker than oneDNN's one layer norm,
#: which is set up anew at every call. Measured: they meet between 70,000 and 130,000.
_FEW = 100_000


def _are_few(hidden: tf.Tensor) -> tf.Tensor:
    return tf.size(hidden) <= _FEW


class _Norm(tf.Module):
    """Layer normalization of [n, H], in the form that is quickest for its size."""

    def __init__(self, norm: Any) -> None:
        super().__init__(name="norm")
        self.gamma, self.beta = norm.gamma, norm.beta
        self._epsilon = norm.epsilon

    def __call__(self, hidden: tf.Tensor, few: tf.Tensor) -> tf.Tensor:
        """Hidden states [n, H] normalized; few: bool [], see `_FEW`."""
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        size = hidden.shape[1]

        def by_steps() -> tf.Tensor:
            values = tf.cast(hidden, tf.float32)
            centred = values - tf.reduce_mean(values, 1, keepdims=True)
            variance = tf.reduce_mean(tf.square(centred), 1, keepdims=True)
            normed = centred * tf.math.rsqrt(variance + self._epsilon)
            scaled = normed * tf.cast(gamma, tf.float32) + tf.cast(beta, tf.float32)
            return tf.cast(scaled, hidden.dtype)

        def at_once() -> tf.Tensor:
            # Written so that the graph optimizer knows it as one operation.
            count = tf.shape(hidden)[:1]
            normed, _, _ = tf.compat.v1.nn.fused_batch_norm(
                tf.reshape(hidden, [1, -1, size, 1]),
                tf.fill(count, 1.0),
                tf.fill(count, 0.0),
                epsilon=self._epsilon,
                data_format="NCHW",
            )
            return tf.reshape(normed, [-1, size]) * gamma + beta

        return tf.ensure_shape(tf.cond(few, by_steps, at_once), [None, size])


def _dense(tokens: tf.Tensor, weights: Sequence[tf.Variable]) -> tf.Tensor:
    kernel, bias = weights
    return tf.nn.bias_add(tf.matmul(tokens, kernel), bias)


def _variables(parts: LayerParts) -> list[Any]:
    """Variables that the packed layers hold themselves."""
    return [v for d in (parts.query, parts.key, parts.value) for v in (d.kernel, d.bias)]


def _embeddings(base: Any, inputs: dict[str, tf.Tensor], places: tf.Tensor) -> tf.Tensor:
    """The model's own embeddings [n, hidden] at `places` int32 [n, 2], (row, position)."""
    layer, ids = base.embeddings, inputs["input_ids"]
    positions = places[:, 1]
    if hasattr(layer, "create_position_ids_from_input_ids"):
        positions = tf.gather_nd(layer.create_position_ids_from_input_ids(ids), places)
    packed = {name: tf.gather_nd(value, places)[tf.newaxis] for name, value in inputs.items()}
    embedded = layer(position_ids=positions[tf.newaxis], **packed, training=False)
    project = getattr(base, "embeddings_project", None)
    return (project(embedded, training=False) if project is not None else embedded)[0]


def _head(model: Any, hidden: tf.Tensor) -> tf.Tensor:
    """The model's own head on hidden states [n, hidden], in place of its encoder's."""
    from transformers.modeling_tf_outputs import TFBaseModelOutput

    output = TFBaseModelOutput(last_hidden_state=hidden[tf.newaxis])
    ids = tf.zeros([1, 1], tf.int32)
    return run_with(model, {"input_ids": ids}, lambda *args, **kwargs: output)[0]
