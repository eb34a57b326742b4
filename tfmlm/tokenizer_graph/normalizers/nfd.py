"""NFD normalization."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.normalizers.unicode_forms import UnicodeForm
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import NFD


def build(spec: NFD, context: BuildContext) -> tf.Module:
    """Compiles NFD."""
    return UnicodeForm("NFD")
