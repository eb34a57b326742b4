"""StripAccents, one code point at a time."""

from __future__ import annotations

from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import StripAccents


@builds(StripAccents)
def build(spec: StripAccents, context: BuildContext) -> Normalizer:
    """Compiles StripAccents."""
    return ContextFree([spec.to_json()])
