"""Punctuation, with any behaviour."""

from __future__ import annotations

from dataclasses import replace

from tfmlm.tokenizer_graph.component import BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.pre_tokenizers import by_class
from tfmlm.tokenizer_graph.pre_tokenizers.by_member import SplitAtMembers
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Punctuation


@builds(Punctuation)
def build(spec: Punctuation, context: BuildContext) -> PreTokenizer:
    """Compiles Punctuation."""
    classes = by_class.probe_classes(replace(spec, behavior="Isolated").to_json())
    return SplitAtMembers(by_class.members(classes, by_class.ISOLATED), spec.behavior)
