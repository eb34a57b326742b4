"""Hostile and real texts together."""

from __future__ import annotations

import unicodedata

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


def each_codepoint(context: str, step: int = 1) -> list[str]:
    """`context` with every assigned code point, and with some of the others, which are alike.

    Whole tokenizers are tested with all of them (`test_graph_tokenizer.py`).
    """
    found = []
    for c in range(0x110000):
        category = unicodedata.category(chr(c))
        if category == "Cs" or c % (61 if category in ("Cn", "Co") else step):
            continue
        found.append(context.replace("{}", chr(c)))
    return found


def long_real_texts() -> list[str]:
    """Texts of thousands of words."""
    return [" ".join(english_texts(200)), " ".join(multilingual_texts(300))]
