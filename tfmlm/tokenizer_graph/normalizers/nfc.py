"""NFC normalization."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.normalizers.unicode_forms import UnicodeForm
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import NFC


def build(spec: NFC, context: BuildContext) -> tf.Module:
    """Compiles NFC."""
    return UnicodeForm("NFC")
