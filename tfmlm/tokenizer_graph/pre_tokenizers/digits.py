"""Digits: numbers, or each digit, by itself."""

from __future__ import annotations

from dataclasses import replace

from tfmlm.tokenizer_graph.component import BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.pre_tokenizers import by_class
from tfmlm.tokenizer_graph.pre_tokenizers.by_member import SplitAtMembers
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Digits


@builds(Digits)
def build(spec: Digits, context: BuildContext) -> PreTokenizer:
    """Compiles Digits."""
    classes = by_class.probe_classes(replace(spec, individual_digits=True).to_json())
    behavior = "Isolated" if spec.individual_digits else "Contiguous"
    return SplitAtMembers(by_class.members(classes, by_class.ISOLATED), behavior)
