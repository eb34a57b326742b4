"""Runs a Hugging Face TF masked LM at mask positions, inside the exported graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfmlm.checkpoint.frame import Frame, frame_of
from tfmlm.checkpoint.inputs import takes_token_types
from tfmlm.checkpoint.masked_positions import (
    head_logits,
    masked_hidden,
    masked_logits,
)


class ModelPredictor(tf.Module):
    """Logits at mask positions of any of transformers' TF masked LMs.

    Encoder and head can be run apart, so that the head, whose results are far larger than what it
    takes, can be run on some masks at a time. Owns the model's variables, not the Keras model:
    SavedModel would trace every Keras layer that it can reach.
    """

    def __init__(self, model: Any, token_types: TokenTypes | None = None) -> None:
        """Takes a built model.

        Args:
            model: a model of `TF_MODEL_FOR_MASKED_LM_MAPPING`.
            token_types: what its tokenizer gives as `token_type_ids`, None if it gives none.
        """
        super().__init__(name="predictor")
        self.weights = list(model.variables)

        def run(inputs: dict[str, tf.Tensor], indices: tf.Tensor) -> tf.Tensor:
            return masked_logits(model, inputs, indices)

        def hidden(inputs: dict[str, tf.Tensor], indices: tf.Tensor) -> tf.Tensor:
            return masked_hidden(model, inputs, indices)

        def head(rows: tf.Tensor) -> tf.Tensor:
            return head_logits(model, rows)

        # Signatures are traced without AutoGraph; Funnel and Longformer branch on tensors.
        self._run = tf.autograph.to_graph(run)
        self._hidden, self._head = (
            tf.autograph.to_graph(hidden),
            tf.autograph.to_graph(head),
        )
        self._token_types = token_types

    def __call__(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """Logits [N, vocabulary] at `indices` int32 [N, 2] of ids and mask int32 [R, T]."""
        return self._run(self._inputs(input_ids, attention_mask), indices)

    def hidden(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """What the head takes of these positions: [N, hidden]."""
        return self._hidden(self._inputs(input_ids, attention_mask), indices)

    def head(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits [n, vocabulary] of hidden states [n, hidden]."""
        return self._head(hidden)

    def _inputs(self, input_ids: tf.Tensor, attention_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self._token_types is not None:
            inputs["token_type_ids"] = self._token_types(attention_mask)
        return inputs


class TokenTypes:
    """The `token_type_ids` that a tokenizer gives for a single text.

    Funnel gives its first token the type 2; most tokenizers give 0 throughout.
    """

    def __init__(self, frame: Frame) -> None:
        self._before, self._text = list(frame.before_types), frame.text_type
        self._behind = list(frame.behind_types)

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> TokenTypes | None:
        """Those that the model is given of its tokenizer; None if it is given none."""
        return cls(frame_of(tokenizer)) if takes_token_types(model, tokenizer) else None

    @property
    def are_zero(self) -> bool:
        """Whether every token has the type 0."""
        return not any((*self._before, self._text, *self._behind))

    def __call__(self, attention_mask: tf.Tensor) -> tf.Tensor:
        """int32 [R, T] for a mask [R, T] of tokens in their frame, padded behind."""
        if self.are_zero:
            return tf.zeros_like(attention_mask)
        before, behind = len(self._before), len(self._behind)
        column = tf.range(tf.shape(attention_mask)[1])
        length = tf.reduce_max(attention_mask * (column + 1), axis=1, keepdims=True)
        past = column + behind - length  # at least 0 behind the text
        place = tf.where(past < 0, tf.minimum(column, before), before + 1 + past)
        # Padding has the type of what stands last; nothing looks at it.
        place = tf.minimum(place, before + behind)
        return tf.gather(tf.constant([*self._before, self._text, *self._behind], tf.int32), place)
