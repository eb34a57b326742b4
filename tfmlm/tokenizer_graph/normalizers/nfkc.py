"""NFKC normalization."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.normalizers.unicode_forms import UnicodeForm
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import NFKC


def build(spec: NFKC, context: BuildContext) -> tf.Module:
    """Compiles NFKC."""
    return UnicodeForm("NFKC")
