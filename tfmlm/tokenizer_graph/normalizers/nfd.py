"""NFD normalization."""

from __future__ import annotations

from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers.unicode_forms import UnicodeForm
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import NFD


@builds(NFD)
def build(spec: NFD, context: BuildContext) -> Normalizer:
    """Compiles NFD."""
    return UnicodeForm("NFD")
