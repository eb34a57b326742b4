"""BertNormalizer: control characters, spaces around CJK, accents, case, in one table."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import BertNormalizer
from tfmlm.tokenizer_graph.tables import MapTable


def build(spec: BertNormalizer, context: BuildContext) -> tf.Module:
    """Compiles a BertNormalizer."""
    return MapTable(probe.changes([spec.to_json()]))
