"""CharDelimiterSplit: one character removed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.pre_tokenizers.by_member import SplitAtMembers
from tfmlm.tokenizer_graph.registry import BuildContext
from tfmlm.tokenizer_graph.spec import CharDelimiterSplit


def build(spec: CharDelimiterSplit, context: BuildContext) -> tf.Module:
    """Compiles CharDelimiterSplit."""
    return SplitAtMembers(np.array([ord(spec.delimiter)]), "Removed")
