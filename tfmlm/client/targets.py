"""Which target word a filled token stands for, and whether it is the whole word."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any


def marked(
    items: Sequence[Mapping[str, Any]], targets: Sequence[str], exact: Sequence[bool]
) -> list[dict[str, Any]]:
    """Items of one mask with the keys `target` and `target_exact`.

    A target of several pieces is scored by its first piece: its item's `token_str` is not the word
    that was asked for, and `target_exact` is False.

    Args:
        items: what was filled in, best first.
        targets: the words asked for.
        exact: for each target, whether it is one piece of the vocabulary (the output
            `target_exact`).
    """
    whole = {_key(word): word for word, is_whole in zip(targets, exact, strict=True) if is_whole}
    parts = [word for word, is_whole in zip(targets, exact, strict=True) if not is_whole]
    result = []
    for item in items:
        piece = _key(item["token_str"])
        if not parts or piece in whole:
            found, is_whole = whole.get(piece, item["token_str"].strip()), True
        else:
            begun = [word for word in parts if _key(word).startswith(piece)]
            # A piece that begins no split target is a whole one, spelled by the tokenizer.
            is_whole = not begun and len(whole) > 0 and piece != ""
            found = ", ".join(begun or parts) if not is_whole else item["token_str"].strip()
        result.append({**item, "target": found, "target_exact": is_whole})
    return result


def _key(word: str) -> str:
    """A word without what tokenizers make of it: spaces, `##`, case, accents."""
    plain = unicodedata.normalize("NFKD", word.strip().removeprefix("##").lstrip("Ġ▁ ")).casefold()
    return "".join(c for c in plain if not unicodedata.combining(c)) or plain
