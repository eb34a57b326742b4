"""ModernBERT (Warner et al., 2024) as a TF masked LM, equal to PyTorch's in transformers.

Layers alternate between attention over the whole text and in a window; positions are rotary, each
kind of layer with its own base; the feed-forward part is gated; norms come before what they feed.
Reference: https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/modernbert/modular_modernbert.py
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras
from transformers import ModernBertConfig
from transformers.modeling_tf_outputs import TFBaseModelOutput, TFMaskedLMOutput
from transformers.modeling_tf_utils import (
    TFMaskedLanguageModelingLoss,
    TFPreTrainedModel,
    keras_serializable,
    unpack_inputs,
)

from tfmlm.architectures.attention import LocalAttention, Sight, WholeAttention
from tfmlm.architectures.layers import (
    Composite,
    Decoder,
    TokenEmbeddings,
    TruncatedNormal,
    activation,
    build_parts,
    resized_decoder,
)
from tfmlm.architectures.modernbert_config import FULL, SLIDING, layer_types, normalized
from tfmlm.architectures.rotary import rotate, rotation


def _initializer(config: Any, out: bool = False) -> TruncatedNormal:
    """Of weights that read hidden states, or (`out`) of those that write them."""
    scale = 1.0 / math.sqrt(2.0 * config.num_hidden_layers) if out else 1.0
    cutoff = config.initializer_cutoff_factor
    return TruncatedNormal(config.initializer_range * scale, 3.0 if cutoff is None else cutoff)


def _dense(config: Any, units: int, use_bias: bool, name: str, out: bool = False) -> Any:
    initializer = _initializer(config, out)
    return tf_keras.layers.Dense(
        units, use_bias=use_bias, kernel_initializer=initializer, name=name
    )


def _norm(config: Any, name: str) -> Any:
    return tf_keras.layers.LayerNormalization(
        epsilon=config.norm_eps, center=config.norm_bias, name=name
    )


class TFModernBertEmbeddings(Composite):
    """Token embeddings, normalized. There are no others."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._size = config.hidden_size
        self.tok_embeddings = TokenEmbeddings(
            config.vocab_size, config.hidden_size, _initializer(config), name="tok_embeddings"
        )
        self.norm = _norm(config, "norm")
        self.drop = tf_keras.layers.Dropout(config.embedding_dropout)

    def parts(self) -> list[tuple[Any, int | None]]:
        return [(self.tok_embeddings, None), (self.norm, self._size)]

    def call(
        self, input_ids: tf.Tensor | None, inputs_embeds: tf.Tensor | None, training: bool = False
    ) -> tf.Tensor:
        embedded = self.tok_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        return self.drop(self.norm(embedded), training=training)


class TFModernBertMLP(Composite):
    """Gated feed-forward: the first half goes through the activation, the second multiplies it."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sizes = config.hidden_size, int(config.intermediate_size)
        self.Wi = _dense(config, 2 * self._sizes[1], config.mlp_bias, "Wi")
        self.act = activation(config.hidden_activation, "hidden_activation")
        self.drop = tf_keras.layers.Dropout(config.mlp_dropout)
        self.Wo = _dense(config, config.hidden_size, config.mlp_bias, "Wo", out=True)

    def parts(self) -> list[tuple[Any, int | None]]:
        return [(self.Wi, self._sizes[0]), (self.Wo, self._sizes[1])]

    def call(self, hidden: tf.Tensor, training: bool = False) -> tf.Tensor:
        inner, gate = tf.split(self.Wi(hidden), 2, axis=-1)
        return self.Wo(self.drop(self.act(inner) * gate, training=training))


class TFModernBertAttention(Composite):
    """Projections to queries, keys, values; rotation; attention; projection back."""

    def __init__(self, config: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self._heads = config.num_attention_heads
        self._size = config.hidden_size
        self._width = config.hidden_size // config.num_attention_heads
        self.Wqkv = _dense(config, 3 * config.hidden_size, config.attention_bias, "Wqkv")
        self.Wo = _dense(config, config.hidden_size, config.attention_bias, "Wo", out=True)
        self.drop = tf_keras.layers.Dropout(config.attention_dropout)
        self.out_drop = tf_keras.layers.Dropout(config.attention_dropout)

    def parts(self) -> list[tuple[Any, int | None]]:
        return [(self.Wqkv, self._size), (self.Wo, self._size)]

    def call(
        self,
        hidden: tf.Tensor,
        turn: tuple[tf.Tensor, tf.Tensor],
        attention: Any,
        output_attentions: bool = False,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        shape = tf.shape(hidden)
        projected = self.Wqkv(hidden)
        rows = [shape[0], shape[1], 3 * self._heads, self._width]
        query_key, value = tf.split(
            tf.reshape(projected, rows), [2 * self._heads, self._heads], axis=2
        )
        query, key = tf.split(rotate(query_key, turn), 2, axis=2)
        query *= tf.constant(self._width**-0.5, query.dtype)
        options: dict[str, Any] = {}
        if output_attentions or (training and self.drop.rate):
            options["dropout"] = lambda weights: self.drop(weights, training=training)
            if self.kind == SLIDING:
                options["whole"] = output_attentions
        context, weights = attention(query, key, value, **options)
        merged = tf.reshape(context, [shape[0], shape[1], self._size])
        return self.out_drop(self.Wo(merged), training=training), weights


class TFModernBertEncoderLayer(Composite):
    """Attention and feed-forward, each with its norm before and its input added after.

    The first layer's attention has no norm: that of the embeddings comes just before.
    """

    def __init__(self, config: Any, kind: str, first: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._size = config.hidden_size
        self.attn_norm = None if first else _norm(config, "attn_norm")
        self.attn = TFModernBertAttention(config, kind, name="attn")
        self.mlp_norm = _norm(config, "mlp_norm")
        self.mlp = TFModernBertMLP(config, name="mlp")

    def parts(self) -> list[tuple[Any, int | None]]:
        norm = [] if self.attn_norm is None else [(self.attn_norm, self._size)]
        return [*norm, (self.attn, None), (self.mlp_norm, self._size), (self.mlp, None)]

    def call(
        self,
        hidden: tf.Tensor,
        turn: tuple[tf.Tensor, tf.Tensor],
        attention: Any,
        output_attentions: bool = False,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        normed = hidden if self.attn_norm is None else self.attn_norm(hidden)
        context, weights = self.attn(
            normed, turn, attention, output_attentions=output_attentions, training=training
        )
        hidden = hidden + context
        return hidden + self.mlp(self.mlp_norm(hidden), training=training), weights


@keras_serializable
class TFModernBertMainLayer(Composite):
    """The encoder, from ids to normalized hidden states."""

    config_class = ModernBertConfig

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.embeddings = TFModernBertEmbeddings(config, name="embeddings")
        self.kinds = layer_types(config)
        self.layers = [
            TFModernBertEncoderLayer(config, kind, number == 0, name=f"layers_._{number}")
            for number, kind in enumerate(self.kinds)
        ]
        self.final_norm = _norm(config, "final_norm")

    def parts(self) -> list[tuple[Any, int | None]]:
        norm = (self.final_norm, self.config.hidden_size)
        return [(self.embeddings, None), *((layer, None) for layer in self.layers), norm]

    def get_input_embeddings(self) -> TokenEmbeddings:
        return self.embeddings.tok_embeddings

    def set_input_embeddings(self, value: tf.Variable) -> None:
        self.embeddings.tok_embeddings.weight = value
        self.embeddings.tok_embeddings.vocab_size = int(value.shape[0])

    @unpack_inputs
    def call(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        document_ids: Any = None,
        inputs_embeds: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
    ) -> Any:
        """See `TFModernBertForMaskedLM.call`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        shape = tf.shape(input_ids if inputs_embeds is None else inputs_embeds)[:2]
        known = (input_ids if inputs_embeds is None else inputs_embeds).shape[:2]
        if attention_mask is None:
            attention_mask = tf.ones(shape, tf.int32)
        attention_mask = tf.ensure_shape(attention_mask, known)
        if position_ids is None:
            position_ids = tf.range(shape[1])[tf.newaxis]
        hidden = self.embeddings(input_ids, inputs_embeds, training=training)
        turns, attentions = self._shared(attention_mask, position_ids, document_ids, hidden.dtype)
        states, weights = [], []
        for layer in self.layers:
            states.append(hidden)
            hidden, own = layer(
                hidden,
                turns[layer.attn.kind],
                attentions[layer.attn.kind],
                output_attentions=bool(output_attentions),
                training=training,
            )
            weights.append(own)
        states.append(hidden)
        hidden = self.final_norm(hidden)
        all_states = tuple(states) if output_hidden_states else None
        all_weights = tuple(weights) if output_attentions else None
        if not return_dict:
            return tuple(x for x in (hidden, all_states, all_weights) if x is not None)
        return TFBaseModelOutput(
            last_hidden_state=hidden, hidden_states=all_states, attentions=all_weights
        )

    def _shared(
        self, attention_mask: tf.Tensor, position_ids: Any, document_ids: Any, dtype: tf.DType
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Rotations and attentions by kind of layer."""
        config = self.config
        width = config.hidden_size // config.num_attention_heads
        sight = Sight.of(attention_mask, document_ids)
        thetas = {FULL: config.global_rope_theta, SLIDING: config.local_rope_theta}
        turns: dict[str, Any] = {}
        attentions: dict[str, Any] = {}
        for kind in sorted(set(self.kinds)):
            turns[kind] = rotation(position_ids, thetas[kind], width)
            if kind == FULL:
                attentions[kind] = WholeAttention(sight, dtype)
            else:
                attentions[kind] = LocalAttention(sight, config.local_attention // 2, dtype)
        return turns, attentions


class TFModernBertPreTrainedModel(TFPreTrainedModel):
    """What transformers asks of the classes of an architecture."""

    config_class = ModernBertConfig
    base_model_prefix = "model"
    built: bool

    def __init__(self, config: Any, *inputs: Any, **kwargs: Any) -> None:
        super().__init__(normalized(config), *inputs, **kwargs)

    @property
    def input_signature(self) -> dict[str, tf.TensorSpec]:
        """Ids and mask, whatever else `call` takes."""
        return {
            name: tf.TensorSpec([None, None], tf.int32, name)
            for name in ("input_ids", "attention_mask")
        }


class TFModernBertModel(TFModernBertPreTrainedModel):
    """The encoder alone."""

    def __init__(self, config: Any, *inputs: Any, **kwargs: Any) -> None:
        super().__init__(config, *inputs, **kwargs)
        self.model = TFModernBertMainLayer(self.config, name="model")

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.built = True
            build_parts([(self.model, None)])

    @unpack_inputs
    def call(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        document_ids: Any = None,
        inputs_embeds: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
    ) -> Any:
        """As `TFModernBertForMaskedLM.call`, without logits."""
        return self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            document_ids=document_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
            training=training,
        )


class TFModernBertPredictionHead(Composite):
    """Dense, activation, norm."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._size = config.hidden_size
        self.dense = _dense(config, config.hidden_size, config.classifier_bias, "dense", out=True)
        self.act = activation(config.classifier_activation, "classifier_activation")
        self.norm = _norm(config, "norm")

    def parts(self) -> list[tuple[Any, int | None]]:
        return [(self.dense, self._size), (self.norm, self._size)]

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        return self.norm(self.act(self.dense(hidden)))


class TFModernBertForMaskedLM(TFModernBertPreTrainedModel, TFMaskedLanguageModelingLoss):
    """ModernBERT with a masked-LM head."""

    def __init__(self, config: Any, *inputs: Any, **kwargs: Any) -> None:
        super().__init__(config, *inputs, **kwargs)
        config = self.config
        self.model = TFModernBertMainLayer(config, name="model")
        self.head = TFModernBertPredictionHead(config, name="head")
        self.decoder = Decoder(
            self.model.get_input_embeddings(),
            bool(config.tie_word_embeddings),
            bool(config.decoder_bias),
            _initializer(config, out=True),
            name="decoder",
        )
        if self.decoder.tied:  # a file may hold the embeddings under both names
            self._keys_to_ignore_on_load_unexpected = [r"^decoder\.weight$"]

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.built = True
            build_parts([(self.model, None), (self.head, None), (self.decoder, None)])

    def get_lm_head(self) -> Decoder:
        return self.decoder

    def _get_resized_lm_head_decoder(self, old: Any, new_num_tokens: int) -> Any:
        return resized_decoder(self, self.decoder, old, new_num_tokens)

    @unpack_inputs
    def call(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        document_ids: Any = None,
        inputs_embeds: Any = None,
        labels: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
    ) -> Any:
        """Logits, and the loss if there are labels.

        Args:
            input_ids: int [batch, tokens].
            attention_mask: int [batch, tokens], 1 for tokens, 0 for padding; None: all tokens.
            position_ids: int [batch or 1, tokens]; None: 0, 1, … in every row.
            document_ids: int [batch, tokens], the number of each token's text, from 0: texts of a
                row do not see each other. None: one text a row. Tokens of a text are neighbours.
            inputs_embeds: float [batch, tokens, hidden] in place of `input_ids`.
            labels: int [batch, tokens], -100 where there is nothing to predict.

        Returns:
            `TFMaskedLMOutput` with logits [batch, tokens, vocabulary]; `hidden_states` are those
            before the final norm; or a tuple without `return_dict`.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            document_ids=document_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
            training=training,
        )
        logits = self.decoder(self.head(outputs[0]))
        loss = None if labels is None else self.hf_compute_loss(labels, logits)
        if not return_dict:
            rest = (logits, *outputs[1:])
            return rest if loss is None else (loss, *rest)
        return TFMaskedLMOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )
