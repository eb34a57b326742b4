"""NFKD normalization."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.normalizers.unicode_forms import UnicodeForm
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import NFKD


def build(spec: NFKD, context: BuildContext) -> tf.Module:
    """Compiles NFKD."""
    return UnicodeForm("NFKD")
