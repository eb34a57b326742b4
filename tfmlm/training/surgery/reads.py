"""Reads of embedding tables without a copy.

TensorFlow's ResourceGather turns a variable into one that is copied at every read and assignment,
for good. The token embeddings, often a model's largest variable, are also the projection onto the
vocabulary and are read by weight decay: three copies a step. GatherV2 on the variable's value has
the same result and gradient, and leaves the variable as it is.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def gather_from_value(model: Any) -> None:
    """Lets `tf.gather` and `tf.nn.embedding_lookup` on a model's variables use their value."""
    for variable in model.variables:
        for part in getattr(variable, "values", (variable,)):  # one for each replica
            _gather_from_value(getattr(part, "_variable", part))  # mixed precision wraps variables


def _gather_from_value(variable: Any) -> None:
    def sparse_read(indices: Any, name: str | None = None) -> tf.Tensor:
        return tf.raw_ops.GatherV2(
            params=variable.read_value(), indices=indices, axis=0, name=name or "Gather"
        )

    variable.sparse_read = sparse_read
    with tf.device(variable.device):
        tf.raw_ops.DisableCopyOnRead(resource=variable.handle)
