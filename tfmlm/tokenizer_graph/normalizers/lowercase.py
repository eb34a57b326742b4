"""Lowercase, one code point at a time."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import Lowercase


def build(spec: Lowercase, context: BuildContext) -> tf.Module:
    """Compiles Lowercase."""
    return ContextFree([spec.to_json()])
