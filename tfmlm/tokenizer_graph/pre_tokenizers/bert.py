"""BertPreTokenizer: whitespace removed, punctuation isolated."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.pre_tokenizers import by_class
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import BertPreTokenizer


def build(spec: BertPreTokenizer, context: BuildContext) -> tf.Module:
    """Compiles a BertPreTokenizer."""
    return by_class.IsolateOrRemove(by_class.probe_classes(spec.to_json()))
