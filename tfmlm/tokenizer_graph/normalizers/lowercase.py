"""Lowercase, one code point at a time."""

from __future__ import annotations

from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Lowercase


@builds(Lowercase)
def build(spec: Lowercase, context: BuildContext) -> Normalizer:
    """Compiles Lowercase."""
    return ContextFree([spec.to_json()])
