"""WhitespaceSplit: whitespace removed."""

from __future__ import annotations

from tfmlm.tokenizer_graph.component import BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.pre_tokenizers import by_class
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import WhitespaceSplit


@builds(WhitespaceSplit)
def build(spec: WhitespaceSplit, context: BuildContext) -> PreTokenizer:
    """Compiles WhitespaceSplit."""
    return by_class.IsolateOrRemove(by_class.probe_classes(spec.to_json()))
