"""EuroBERT (Boizard et al., 2025) as a TF masked LM, equal to PyTorch's in transformers 5.

Llama's layers without its order: norms by root mean square, fewer heads of keys and values than of
queries, gated feed-forward, rotary positions; every token sees every other.
Reference: https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/models/eurobert/modular_eurobert.py
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from transformers.modeling_tf_outputs import TFBaseModelOutput, TFMaskedLMOutput
from transformers.modeling_tf_utils import (
    TFMaskedLanguageModelingLoss,
    TFPreTrainedModel,
    keras_serializable,
    unpack_inputs,
)

from tfmlm.architectures.attention import Sight, WholeAttention
from tfmlm.architectures.eurobert_config import EuroBertConfig, head_width
from tfmlm.architectures.layers import (
    Composite,
    Decoder,
    TokenEmbeddings,
    activation,
    build_parts,
    resized_decoder,
)
from tfmlm.architectures.rotary import rotate, rotation


class NormalButPadding(tf_keras.initializers.Initializer):
    """A normal law, but zeros in the row of the padding token."""

    def __init__(self, stddev: float, padding: int | None) -> None:
        self.stddev, self.padding = stddev, padding

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> tf.Tensor:
        values = tf.random.normal(shape, stddev=self.stddev, dtype=dtype or tf.float32)
        if self.padding is None:
            return values
        other = tf.not_equal(tf.range(shape[0]), self.padding)
        return values * tf.cast(other, values.dtype)[:, tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, "padding": self.padding}


def _dense(config: Any, units: int, use_bias: bool, name: str) -> Any:
    initializer = NormalButPadding(config.initializer_range, None)
    return tf_keras.layers.Dense(
        units, use_bias=use_bias, kernel_initializer=initializer, name=name
    )


class RMSNorm(tf_keras.layers.Layer):
    """Divides by the root mean square over the last axis, in float32, then scales."""

    built: bool

    def __init__(self, epsilon: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        if not self.built:
            self.built = True
            self.gamma = self.add_weight("gamma", [input_shape[-1]], initializer="ones")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        values = tf.cast(inputs, tf.float32)
        variance = tf.reduce_mean(tf.square(values), axis=-1, keepdims=True)
        normed = values * tf.math.rsqrt(variance + self.epsilon)
        return self.gamma * tf.cast(normed, self.compute_dtype)


class TFEuroBertMLP(Composite):
    """Gated feed-forward."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sizes = config.hidden_size, config.intermediate_size
        self.gate_proj = _dense(config, config.intermediate_size, config.mlp_bias, "gate_proj")
        self.up_proj = _dense(config, config.intermediate_size, config.mlp_bias, "up_proj")
        self.down_proj = _dense(config, config.hidden_size, config.mlp_bias, "down_proj")
        self.act = activation(config.hidden_act, "hidden_act")

    def parts(self) -> list[tuple[Any, int | None]]:
        hidden, inner = self._sizes
        return [(self.gate_proj, hidden), (self.up_proj, hidden), (self.down_proj, inner)]

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        return self.down_proj(self.act(self.gate_proj(hidden)) * self.up_proj(hidden))


class TFEuroBertAttention(Composite):
    """Attention; each head of keys and values serves several heads of queries."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._size = config.hidden_size
        self._width = head_width(config)
        self._heads, self._kept = config.num_attention_heads, config.num_key_value_heads
        inner, kept = self._heads * self._width, self._kept * self._width
        self.q_proj = _dense(config, inner, config.attention_bias, "q_proj")
        self.k_proj = _dense(config, kept, config.attention_bias, "k_proj")
        self.v_proj = _dense(config, kept, config.attention_bias, "v_proj")
        self.o_proj = _dense(config, config.hidden_size, config.attention_bias, "o_proj")
        self.drop = tf_keras.layers.Dropout(config.attention_dropout)

    def parts(self) -> list[tuple[Any, int | None]]:
        inputs = [(layer, self._size) for layer in (self.q_proj, self.k_proj, self.v_proj)]
        return [*inputs, (self.o_proj, self._heads * self._width)]

    def call(
        self,
        hidden: tf.Tensor,
        turn: tuple[tf.Tensor, tf.Tensor],
        attention: WholeAttention,
        output_attentions: bool = False,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        shape = tf.shape(hidden)

        def heads(projected: tf.Tensor, count: int) -> tf.Tensor:
            return tf.reshape(projected, [shape[0], shape[1], count, self._width])

        query = rotate(heads(self.q_proj(hidden), self._heads), turn)
        key = rotate(heads(self.k_proj(hidden), self._kept), turn)
        value = heads(self.v_proj(hidden), self._kept)
        served = self._heads // self._kept
        if served > 1:
            key, value = (tf.repeat(x, served, axis=2) for x in (key, value))
        query *= tf.constant(self._width**-0.5, query.dtype)
        dropout = None
        if output_attentions or (training and self.drop.rate):

            def dropout(weights: tf.Tensor) -> tf.Tensor:
                return self.drop(weights, training=training)

        context, weights = attention(query, key, value, dropout)
        merged = tf.reshape(context, [shape[0], shape[1], self._heads * self._width])
        return self.o_proj(merged), weights


class TFEuroBertLayer(Composite):
    """Attention and feed-forward, each with its norm before and its input added after."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._size = config.hidden_size
        self.self_attn = TFEuroBertAttention(config, name="self_attn")
        self.mlp = TFEuroBertMLP(config, name="mlp")
        self.input_layernorm = RMSNorm(config.rms_norm_eps, name="input_layernorm")
        self.post_attention_layernorm = RMSNorm(
            config.rms_norm_eps, name="post_attention_layernorm"
        )

    def parts(self) -> list[tuple[Any, int | None]]:
        norms = [(self.input_layernorm, self._size), (self.post_attention_layernorm, self._size)]
        return [(self.self_attn, None), (self.mlp, None), *norms]

    def call(
        self,
        hidden: tf.Tensor,
        turn: tuple[tf.Tensor, tf.Tensor],
        attention: WholeAttention,
        output_attentions: bool = False,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        context, weights = self.self_attn(
            self.input_layernorm(hidden),
            turn,
            attention,
            output_attentions=output_attentions,
            training=training,
        )
        hidden = hidden + context
        return hidden + self.mlp(self.post_attention_layernorm(hidden)), weights


@keras_serializable
class TFEuroBertMainLayer(Composite):
    """The encoder, from ids to normalized hidden states."""

    config_class = EuroBertConfig

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.embed_tokens = TokenEmbeddings(
            config.vocab_size,
            config.hidden_size,
            NormalButPadding(config.initializer_range, config.pad_token_id),
            name="embed_tokens",
        )
        self.layers = [
            TFEuroBertLayer(config, name=f"layers_._{number}")
            for number in range(config.num_hidden_layers)
        ]
        self.norm = RMSNorm(config.rms_norm_eps, name="norm")

    def parts(self) -> list[tuple[Any, int | None]]:
        layers = [(layer, None) for layer in self.layers]
        return [(self.embed_tokens, None), *layers, (self.norm, self.config.hidden_size)]

    def get_input_embeddings(self) -> TokenEmbeddings:
        return self.embed_tokens

    def set_input_embeddings(self, value: tf.Variable) -> None:
        self.embed_tokens.weight = value
        self.embed_tokens.vocab_size = int(value.shape[0])

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
        """See `TFEuroBertForMaskedLM.call`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        given = input_ids if inputs_embeds is None else inputs_embeds
        shape = tf.shape(given)[:2]
        if attention_mask is None:
            attention_mask = tf.ones(shape, tf.int32)
        attention_mask = tf.ensure_shape(attention_mask, given.shape[:2])
        if position_ids is None:
            position_ids = tf.range(shape[1])[tf.newaxis]
        hidden = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        turn = rotation(position_ids, self.config.rope_theta, head_width(self.config))
        attention = WholeAttention(Sight.of(attention_mask, document_ids), hidden.dtype)
        states, weights = [], []
        for layer in self.layers:
            states.append(hidden)
            hidden, own = layer(
                hidden,
                turn,
                attention,
                output_attentions=bool(output_attentions),
                training=training,
            )
            weights.append(own)
        hidden = self.norm(hidden)
        all_states = (*states, hidden) if output_hidden_states else None
        all_weights = tuple(weights) if output_attentions else None
        if not return_dict:
            return tuple(x for x in (hidden, all_states, all_weights) if x is not None)
        return TFBaseModelOutput(
            last_hidden_state=hidden, hidden_states=all_states, attentions=all_weights
        )


class TFEuroBertPreTrainedModel(TFPreTrainedModel):
    """What transformers asks of the classes of an architecture."""

    config_class = EuroBertConfig
    base_model_prefix = "model"
    built: bool

    @property
    def input_signature(self) -> dict[str, tf.TensorSpec]:
        """Ids and mask, whatever else `call` takes."""
        return {
            name: tf.TensorSpec([None, None], tf.int32, name)
            for name in ("input_ids", "attention_mask")
        }


class TFEuroBertModel(TFEuroBertPreTrainedModel):
    """The encoder alone."""

    def __init__(self, config: Any, *inputs: Any, **kwargs: Any) -> None:
        super().__init__(config, *inputs, **kwargs)
        self.model = TFEuroBertMainLayer(config, name="model")

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
        """As `TFEuroBertForMaskedLM.call`, without logits."""
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


class TFEuroBertForMaskedLM(TFEuroBertPreTrainedModel, TFMaskedLanguageModelingLoss):
    """EuroBERT with a masked-LM head, one dense layer."""

    def __init__(self, config: Any, *inputs: Any, **kwargs: Any) -> None:
        super().__init__(config, *inputs, **kwargs)
        self.model = TFEuroBertMainLayer(config, name="model")
        self.lm_head = Decoder(
            self.model.get_input_embeddings(),
            bool(config.tie_word_embeddings),
            bool(config.mlp_bias),
            NormalButPadding(config.initializer_range, None),
            name="lm_head",
        )
        if self.lm_head.tied:  # a file may hold the embeddings under both names
            self._keys_to_ignore_on_load_unexpected = [r"^lm_head\.weight$"]

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.built = True
            build_parts([(self.model, None), (self.lm_head, None)])

    def get_lm_head(self) -> Decoder:
        return self.lm_head

    def _get_resized_lm_head_decoder(self, old: Any, new_num_tokens: int) -> Any:
        return resized_decoder(self, self.lm_head, old, new_num_tokens)

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
                row do not see each other. None: one text a row.
            inputs_embeds: float [batch, tokens, hidden] in place of `input_ids`.
            labels: int [batch, tokens], -100 where there is nothing to predict.

        Returns:
            `TFMaskedLMOutput` with logits [batch, tokens, vocabulary], or a tuple without
            `return_dict`.
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
        logits = self.lm_head(outputs[0])
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
