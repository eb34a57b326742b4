"""NFKC normalization."""

from __future__ import annotations

from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers.unicode_forms import UnicodeForm
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import NFKC


@builds(NFKC)
def build(spec: NFKC, context: BuildContext) -> Normalizer:
    """Compiles NFKC."""
    return UnicodeForm("NFKC")
