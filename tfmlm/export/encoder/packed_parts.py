"""Where transformers' TF models keep the parts that the packed encoder is built of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfmlm.checkpoint.masked_positions import base_layer


@dataclass(frozen=True)
class EmbeddingParts:
    """Tables of the embeddings, their norm, and what makes them as wide as the encoder.

    Attributes:
        word, position, token_type: variables [rows, width]; token_type may be None.
        norm: a Keras LayerNormalization.
        project: a Keras Dense, or None.
        position_ids: ids int32 [R, T] -> rows of `position` [R, T]; None: the columns.
    """

    word: tf.Variable
    position: tf.Variable
    token_type: tf.Variable | None
    norm: Any
    project: Any
    position_ids: Callable[[tf.Tensor], tf.Tensor] | None


@dataclass(frozen=True)
class LayerParts:
    """Dense layers and norms of one encoder layer."""

    query: Any
    key: Any
    value: Any
    attention_output: Any
    attention_norm: Any
    intermediate: Any
    activation: Any
    output: Any
    output_norm: Any


@dataclass(frozen=True)
class HeadParts:
    """The head: a dense layer, its activation, a norm; then an output matrix and a bias.

    Attributes:
        matrix: variable [vocabulary, width]: the word embeddings', or one of its own.
    """

    dense: Any
    activation: Any
    norm: Any
    matrix: tf.Variable
    bias: tf.Variable


@dataclass(frozen=True)
class ModelParts:
    """A masked LM taken apart."""

    embeddings: EmbeddingParts
    layers: list[LayerParts]
    head: HeadParts


def is_packable(model: Any) -> bool:
    """Whether the model is one that this module takes apart."""
    config = model.config
    return (
        config.model_type in ARCHITECTURES
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and not getattr(config, "is_decoder", False)
    )


def parts_of(model: Any) -> ModelParts:
    """Takes a built model apart for which `is_packable` holds."""
    base = base_layer(model)
    layers, head = ARCHITECTURES[model.config.model_type]
    table = base.embeddings
    embeddings = EmbeddingParts(
        table.weight,
        table.position_embeddings,
        getattr(table, "token_type_embeddings", None),
        table.LayerNorm,
        getattr(base, "embeddings_project", None),
        getattr(table, "create_position_ids_from_input_ids", None),
    )
    return ModelParts(embeddings, layers(base), head(model))


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


def _bert_head(model: Any) -> HeadParts:
    head = model.mlm.predictions
    transform = head.transform
    return HeadParts(
        transform.dense,
        transform.transform_act_fn,
        transform.LayerNorm,
        head.input_embeddings.weight,
        head.bias,
    )


def _roberta_head(model: Any) -> HeadParts:
    head = model.lm_head
    return HeadParts(head.dense, head.act, head.layer_norm, head.decoder.weight, head.bias)


def _electra_head(model: Any) -> HeadParts:
    from transformers.activations_tf import get_tf_activation

    transform, head = model.generator_predictions, model.generator_lm_head
    return HeadParts(
        transform.dense,
        get_tf_activation("gelu"),
        transform.LayerNorm,
        head.input_embeddings.weight,
        head.bias,
    )


def _distilbert_head(model: Any) -> HeadParts:
    head = model.vocab_projector
    return HeadParts(
        model.vocab_transform,
        model.act,
        model.vocab_layer_norm,
        head.input_embeddings.weight,
        head.bias,
    )


#: Model type -> its layers, its head. Others run as transformers wrote them.
ARCHITECTURES: dict[str, tuple[Callable[[Any], list[LayerParts]], Callable[[Any], HeadParts]]] = {
    "bert": (_bert_layers, _bert_head),
    "camembert": (_bert_layers, _roberta_head),
    "distilbert": (_distilbert_layers, _distilbert_head),
    "electra": (_bert_layers, _electra_head),
    "roberta": (_bert_layers, _roberta_head),
    "xlm-roberta": (_bert_layers, _roberta_head),
}
