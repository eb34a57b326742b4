"""Logits of the whole Hugging Face model, traced once."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfmlm.export.checking.tokens import Row


class CheckpointLogits:
    """`model(**inputs).logits` at some positions of rows of equal length, so without padding."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """Takes a built TF masked LM, and its tokenizer for the names of what the model is given.

        Many a DistilBERT, ESM or MPNet is published with BERT's tokenizer, whose token types it
        has no input for; TAPAS takes seven types a token, which a text has not.
        """
        self._model = model
        takes = inspect.signature(model.call).parameters
        types = "token_type_ids"
        self._names = ["input_ids", "attention_mask"]
        if (
            types in takes
            and types in tokenizer.model_input_names
            and not isinstance(getattr(model.config, "type_vocab_sizes", None), list)
        ):
            self._names.append(types)
        self._traced: Any = None

    def __call__(self, rows: Sequence[Row], places: Sequence[tuple[int, int]]) -> np.ndarray:
        """float32 [places, vocabulary] at (row, position) of rows of equal length."""
        import tensorflow as tf

        arrays = {name: np.array([row.get(name) for row in rows]) for name in rows[0]}
        arrays["attention_mask"] = np.ones_like(arrays["input_ids"])
        inputs = {name: tf.constant(arrays[name], tf.int32) for name in self._names}
        indices = tf.constant(np.reshape(places, [-1, 2]), tf.int32)
        if self._traced is None:
            self._traced = self._trace(inputs, indices)
        return self._traced(inputs, indices).numpy()

    def _trace(self, inputs: dict[str, Any], indices: Any) -> Any:
        import tensorflow as tf

        def run(inputs: dict[str, Any], indices: Any) -> Any:
            logits = self._model(inputs, training=False, return_dict=True).logits
            return tf.cast(tf.gather_nd(logits, indices), tf.float32)

        tokens = tf.TensorSpec([None, None], tf.int32)
        signature = (dict.fromkeys(inputs, tokens), tf.TensorSpec([None, 2], tf.int32))
        for autograph in (False, True):
            try:
                traced = tf.function(run, input_signature=signature, autograph=autograph)
                return traced.get_concrete_function() and traced
            except tf.errors.OperatorNotAllowedInGraphError:
                # Funnel and Longformer branch on tensors. Converting every model's code takes
                # longer than all that is computed here.
                if autograph:
                    raise
        return None


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities float64 along the last dimension."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Natural logs of the probabilities, float64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
