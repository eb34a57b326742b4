"""BERT's encoder for serving: no padding in dense layers, the last layer at mask positions only.

Same mathematics as transformers' TF models, laid out for TensorFlow's CPU kernels: all tokens of
the batch are the rows of one matrix, so that each dense layer is one matrix product which the
graph optimizer fuses with its bias, activation and residual; queries, keys and values are one
product; attention alone sees padded rows. Embeddings and head are the model's own layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfmlm.export.predictor import TokenTypes
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
        self._embed = lambda inputs: _embeddings(base, inputs)
        self._head = lambda inputs, hidden: _head(model, base, inputs, hidden)
        self._token_types = token_types

    def __call__(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """Logits [N, vocabulary] at `indices` int32 [N, 2], ascending by row, N at least 1."""
        inputs = {"input_ids": input_ids}
        if self._token_types is not None:
            inputs["token_type_ids"] = self._token_types(input_ids)
        embedded = self._embed(inputs)
        # First positions always count, so that there is a token even if no row attends to any.
        first = tf.equal(tf.range(tf.shape(attention_mask)[1]), 0)
        valid = tf.where(tf.not_equal(attention_mask, 0) | first)
        hidden = tf.gather_nd(embedded, valid)
        count = tf.shape(valid)[0]
        # Padding takes the first token's values: as a key it is masked, as a query it is dropped.
        place = tf.scatter_nd(valid, tf.range(count), tf.shape(attention_mask, out_type=tf.int64))
        bias = tf.cast(1 - attention_mask, tf.float32)[:, tf.newaxis, tf.newaxis] * -10000.0
        for layer in self.layers:
            hidden = layer(hidden, place, valid, bias)
        hidden = self.last(hidden, place, indices, bias)
        return self._head(inputs, hidden)


class _Layer(tf.Module):
    """What all layers and the last have in common."""

    def __init__(self, parts: LayerParts, heads: int) -> None:
        super().__init__(name="layer")
        self._heads = heads
        self._size = int(parts.query.kernel.shape[1])
        self.attention_output = [parts.attention_output.kernel, parts.attention_output.bias]
        self.intermediate = [parts.intermediate.kernel, parts.intermediate.bias]
        self.output = [parts.output.kernel, parts.output.bias]
        self._norms = [_Norm(parts.attention_norm), _Norm(parts.output_norm)]
        self._activation = parts.activation

    def _joined(self, query: Any, *others: Any) -> list[tf.Variable]:
        """Kernel and bias of dense layers side by side, the query's scaled by 1 / √width."""
        factors = [(self._size // self._heads) ** -0.5 if query is not None else 1.0]
        layers = [d for d in (query, *others) if d is not None]
        factors += [1.0] * (len(layers) - 1)
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

    def _split(self, tokens: tf.Tensor) -> tf.Tensor:
        """[R, T, H] -> [R, heads, T, H / heads]."""
        shape = tf.shape(tokens)
        width = self._size // self._heads
        split = tf.reshape(tokens, tf.stack([shape[0], shape[1], self._heads, width]))
        return tf.transpose(split, [0, 2, 1, 3])

    def _attend(
        self, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, bias: tf.Tensor
    ) -> tf.Tensor:
        """Context [R, queries, H] of queries [R, heads, queries, width]."""
        scores = tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32) + bias
        weights = tf.cast(tf.nn.softmax(scores), value.dtype)
        context = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        shape = tf.shape(context)
        return tf.reshape(context, tf.stack([shape[0], shape[1], self._size]))

    def _rest(self, hidden: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        attention_norm, output_norm = self._norms
        hidden = attention_norm(_dense(context, self.attention_output) + hidden)
        inner = self._activation(_dense(hidden, self.intermediate))
        return output_norm(_dense(inner, self.output) + hidden)


class _PackedLayer(_Layer):
    """An encoder layer on all tokens."""

    def __init__(self, parts: LayerParts, heads: int) -> None:
        super().__init__(parts, heads)
        self.query_key_value = self._joined(parts.query, parts.key, parts.value)

    def __call__(
        self, hidden: tf.Tensor, place: tf.Tensor, valid: tf.Tensor, bias: tf.Tensor
    ) -> tf.Tensor:
        """Hidden states [n, H] of the next layer; place int [R, T], valid int [n, 2]."""
        three = tf.gather(_dense(hidden, self.query_key_value), place)
        shape = tf.shape(three)
        width = self._size // self._heads
        three = tf.reshape(three, tf.stack([shape[0], shape[1], 3, self._heads, width]))
        query, key, value = tf.unstack(tf.transpose(three, [2, 0, 3, 1, 4]))
        context = tf.gather_nd(self._attend(query, key, value, bias), valid)
        return self._rest(hidden, context)


class _LastLayer(_Layer):
    """The last layer: keys and values of all tokens, everything else of the masks alone."""

    def __init__(self, parts: LayerParts, heads: int) -> None:
        super().__init__(parts, heads)
        self.query = self._joined(parts.query)
        self.key_value = self._joined(None, parts.key, parts.value)

    def __call__(
        self, hidden: tf.Tensor, place: tf.Tensor, indices: tf.Tensor, bias: tf.Tensor
    ) -> tf.Tensor:
        """Hidden states [N, H] at `indices` int32 [N, 2], ascending by row."""
        both = tf.gather(_dense(hidden, self.key_value), place)
        key, value = self._split(both[..., : self._size]), self._split(both[..., self._size :])
        own = tf.gather(hidden, tf.gather_nd(place, indices))
        row, rows, masks = indices[:, 0], tf.shape(place)[0], tf.range(tf.shape(indices)[0])
        count = tf.math.bincount(row, minlength=rows, maxlength=rows, dtype=tf.int32)
        slot = masks - tf.gather(tf.cumsum(count, exclusive=True), row)
        position = tf.stack([row, slot], 1)
        number = tf.scatter_nd(position, masks, tf.stack([rows, tf.reduce_max(count)]))
        query = self._split(tf.gather(_dense(own, self.query), number))
        context = tf.gather_nd(self._attend(query, key, value, bias), position)
        return self._rest(own, context)


class _Norm(tf.Module):
    """Layer normalization of [n, H], written so that the optimizer knows it as one operation."""

    def __init__(self, norm: Any) -> None:
        super().__init__(name="norm")
        self.gamma, self.beta = norm.gamma, norm.beta
        self._epsilon = norm.epsilon

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        dtype = hidden.dtype
        count = tf.shape(hidden)[0]
        image = tf.reshape(tf.cast(hidden, tf.float32), tf.stack([1, count, hidden.shape[1], 1]))
        normed, _, _ = tf.compat.v1.nn.fused_batch_norm(
            image,
            tf.ones([count]),
            tf.zeros([count]),
            epsilon=self._epsilon,
            data_format="NCHW",
        )
        normed = tf.cast(tf.reshape(normed, tf.shape(hidden)), dtype)
        return normed * self.gamma + self.beta


def _dense(tokens: tf.Tensor, weights: Sequence[tf.Variable]) -> tf.Tensor:
    kernel, bias = weights
    return tf.nn.bias_add(tf.matmul(tokens, kernel), bias)


def _variables(parts: LayerParts) -> list[Any]:
    """Variables that the packed layers hold themselves."""
    return [v for d in (parts.query, parts.key, parts.value) for v in (d.kernel, d.bias)]


def _embeddings(base: Any, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """The model's own embeddings [R, T, hidden]."""
    embedded = base.embeddings(
        input_ids=inputs["input_ids"],
        **({"token_type_ids": inputs["token_type_ids"]} if "token_type_ids" in inputs else {}),
        training=False,
    )
    project = getattr(base, "embeddings_project", None)
    return project(embedded, training=False) if project is not None else embedded


def _head(model: Any, base: Any, inputs: dict[str, tf.Tensor], hidden: tf.Tensor) -> tf.Tensor:
    """The model's own head on hidden states [N, hidden], in place of its encoder's."""
    from transformers.modeling_tf_outputs import TFBaseModelOutput

    call = base.call
    base.call = lambda *args, **kwargs: TFBaseModelOutput(last_hidden_state=hidden[tf.newaxis])
    try:
        return model(inputs, training=False, return_dict=True).logits[0]
    finally:
        base.call = call
