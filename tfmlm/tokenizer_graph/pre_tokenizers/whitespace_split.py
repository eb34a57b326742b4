"""WhitespaceSplit: whitespace removed."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.pre_tokenizers import by_class
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import WhitespaceSplit


def build(spec: WhitespaceSplit, context: BuildContext) -> tf.Module:
    """Compiles WhitespaceSplit."""
    return by_class.IsolateOrRemove(by_class.probe_classes(spec.to_json()))
