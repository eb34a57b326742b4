"""The signatures of the SavedModel, each with the batch as dimension 0 of every input."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfmlm.export.contract import SIGNATURES
from tfmlm.export.graph.fill_mask import FillMask
from tfmlm.export.graph.score_text import ScoreText


def build_signatures(fill: FillMask) -> dict[str, Any]:
    """One `tf.function` for each signature that `fill` can answer.

    Without a tokenizer that is `fill_mask_ids` alone.
    """
    calls: dict[str, Any] = {"fill_mask_ids": fill.fill_ids}
    if fill.tokenizer_graph is not None:
        calls = {
            "serving_default": fill.fill_text,
            "fill_mask_top_k": fill.fill_text,
            "fill_mask_targets": fill.fill_targets,
            **calls,
            "tokenize": fill.tokenize,
            "score_text": ScoreText(fill),
        }
    return {name: _signature(name, call) for name, call in calls.items()}


def _signature(name: str, call: Any) -> Any:
    inputs, outputs = SIGNATURES[name]
    specs = [
        tf.TensorSpec([None] * rank, getattr(tf, dtype), name=key)
        for key, (dtype, rank) in inputs.items()
    ]
    names = list(inputs)

    def answer(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        results = call(**dict(zip(names, tensors, strict=True)))
        return {
            key: tf.ensure_shape(results[key], [None] * rank) for key, (_, rank) in outputs.items()
        }

    answer.__name__ = name
    return tf.function(answer, input_signature=specs, autograph=False)
