"""Hostile and real texts together."""

from __future__ import annotations

from tests.real_data import english_texts, multilingual_texts
from tfmlm.tokenizer_graph.hostile import edge_texts, hostile, random_codepoints


def mixed(seed: int = 0, count: int = 1500) -> list[str]:
    """A bit of everything valid."""
    return [
        *edge_texts(),
        *hostile(seed, count),
        *random_codepoints(seed, count // 2),
        *multilingual_texts(count // 2),
        *english_texts(count // 10),
    ]


def long_real_texts() -> list[str]:
    """Texts of thousands of words."""
    return [" ".join(english_texts(200)), " ".join(multilingual_texts(300))]
