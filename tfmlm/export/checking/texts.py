"""Texts and requests that an export is held to its checkpoint on."""

from __future__ import annotations

from collections.abc import Sequence

from tfmlm.export.samples import sample_texts

#: Longer rows are not made for a check: logits of 8,192 positions take gigabytes.
_LONGEST = 1024
_WORDS = ("one", "river", "It", "ing")


def compared_texts(mask: str, max_length: int, max_text_bytes: int) -> list[str]:
    """Texts in many scripts, with and without masks, over the length and over the bytes.

    Args:
        mask: the mask token.
        max_length: most tokens of a row.
        max_text_bytes: longer texts are not read.
    """
    texts = [
        *sample_texts(mask, longest=min(64, max(8, max_length // 2))),
        f"{mask} 中国首都北京，{mask}",
        f"{mask} and {mask}",
        f"play{mask} the (re{mask}) of it-{mask}",
        f"out{mask}",
        f"the[{mask}]:{mask}",
        f"{mask}",
        "",
        "No mask stands here.",
        "   ",
    ]
    if max_length <= _LONGEST:
        words = ["out", "of", "the", "town", "past", "a", "mill"] * (max_length // 4)
        words[2 * len(words) // 3] = words[2 * len(words) // 3 + 1] = words[-1] = mask
        texts.append(" ".join(words))
    if max_text_bytes < 2**20:
        texts.append(mask + "x" * max_text_bytes)
    return texts


def scored_texts(mask: str, max_length: int, max_text_bytes: int) -> list[str]:
    """Texts for `score_text`; masks, which are not scored, make one of them long."""
    texts = [
        f"Paris is the {mask} of France.",
        "北京是中国的首都。",
        "Москва стоит на реке.",
        f"{mask} {mask}",
        "Is it so?",
        "",
        "   ",
    ]
    if max_length <= _LONGEST:
        texts.append(f"the mill{f' {mask}' * max_length} of")
    if max_text_bytes < 2**20:
        texts.append("x" * (max_text_bytes + 1))
    return texts


def numbers_asked(count: int) -> list[int]:
    """`top_k` of each of `count` texts: one, several, none, and fewer than none."""
    several = (1, 3, 25, 0, -7, 8)
    return [several[number % len(several)] for number in range(count)]


def targets_asked(count: int, vocabulary: Sequence[str]) -> list[list[str]]:
    """Targets of each of `count` texts, as many for all.

    Words of the vocabulary as they are spelled and without their marks, words that are no single
    token, a word twice, and nothing.

    Args:
        vocabulary: the tokens as they are spelled, in the order of their ids.
    """
    pool = [token for token in vocabulary[:: max(len(vocabulary) // 60, 1)] if token]
    bare = [token.lstrip("\u0120\u2581").removeprefix("##") for token in pool]
    asked = []
    for number in range(count):
        spelled, word = pool[7 * number % len(pool)], bare[11 * number % len(bare)]
        other = bare[(11 * number + 5) % len(bare)]
        fixed = _WORDS[number % len(_WORDS)]
        asked.append([word, spelled, other + word, "", fixed, f" {other}", other, word])
    return asked
