r"""Whitespace: the matches of `\w+|[^\w\s]+`; the rest is removed."""

from __future__ import annotations

import numpy as np

from tfmlm.tokenizer_graph.component import BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.pre_tokenizers import by_class
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Whitespace


@builds(Whitespace)
def build(spec: Whitespace, context: BuildContext) -> PreTokenizer:
    """Compiles Whitespace: signs side by side stay together."""
    classes = by_class.probe_classes(spec.to_json())
    return by_class.IsolateOrRemove(np.asarray(classes), contiguous=True)
