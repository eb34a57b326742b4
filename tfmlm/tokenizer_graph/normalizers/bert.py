"""BertNormalizer: control characters, spaces around CJK, accents, case."""

from __future__ import annotations

from dataclasses import replace

from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import BertNormalizer


@builds(BertNormalizer)
def build(spec: BertNormalizer, context: BuildContext) -> Normalizer:
    """Compiles a BertNormalizer: clean, then NFD and dropping of accents, then lowercase.

    Stripping accents decomposes, so the component is cut there: its first half without accents and
    case, NFD, and its second half with them (which finds nothing left to decompose).
    """
    if not spec.strips_accents:
        return ContextFree([spec.to_json()])
    first = replace(spec, strip_accents=False, lowercase=False)
    second = replace(spec, clean_text=False, handle_chinese_chars=False, strip_accents=True)
    return ContextFree([first.to_json()], "NFD", [second.to_json()])
