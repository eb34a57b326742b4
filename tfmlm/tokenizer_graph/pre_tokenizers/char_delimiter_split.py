"""CharDelimiterSplit: one character removed."""

from __future__ import annotations

import numpy as np

from tfmlm.tokenizer_graph.component import BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.pre_tokenizers.by_member import SplitAtMembers
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import CharDelimiterSplit


@builds(CharDelimiterSplit)
def build(spec: CharDelimiterSplit, context: BuildContext) -> PreTokenizer:
    """Compiles CharDelimiterSplit."""
    return SplitAtMembers(np.array([ord(spec.delimiter)]), "Removed")
