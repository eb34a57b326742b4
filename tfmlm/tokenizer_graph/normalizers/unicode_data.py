"""Decompositions, combining classes and compositions as the Rust library has them.

Only the order of combining classes matters, so their ranks are found by asking which of two marks
the library puts first; it knows other classes than Python's `unicodedata` for some code points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tfmlm.tokenizer_graph import probe

# COMBINING GREEK YPOGEGRAMMENI has the highest combining class, 240, and no mark shares it.
HIGHEST = "\u0345"


@dataclass(frozen=True)
class UnicodeData:
    """Tables of the installed library.

    Attributes:
        ranks: code point -> rank of its combining class, from 1; starters are left out.
        compositions: (first, second) -> primary composite.
    """

    ranks: dict[int, int]
    compositions: dict[tuple[int, int], int]


@lru_cache
def decomposition(form: str) -> probe.Changes:
    """NFD or NFKD of each code point that changes."""
    return probe.changes([{"type": form}])


@lru_cache
def unicode_data() -> UnicodeData:
    """Probes the tables, or reads them from the cache."""
    stored = probe.load_arrays("unicode-data")
    if stored is None:
        ranks = _ranks()
        compositions = _compositions()
        stored = {
            "marks": np.array(list(ranks), np.int32),
            "ranks": np.array(list(ranks.values()), np.int32),
            "pairs": np.array([(*pair, c) for pair, c in compositions.items()], np.int32),
        }
        probe.store_arrays("unicode-data", stored)
    marks, ranks = stored["marks"].tolist(), stored["ranks"].tolist()
    return UnicodeData(
        dict(zip(marks, ranks, strict=True)),
        {(a, b): c for a, b, c in stored["pairs"].tolist()},
    )


def _ranks() -> dict[int, int]:
    nfd = probe.normalizer([{"type": "NFD"}])
    changing = decomposition("NFD")
    marks = []
    for page in probe.pages():
        text = "".join("a" + HIGHEST + chr(c) for c in page)
        if nfd(text) == text:
            continue
        for c in page:
            if c not in changing and nfd(HIGHEST + chr(c)) != HIGHEST + chr(c):
                marks.append(c)
    classes: list[list[int]] = []  # in order of their combining class
    for mark in marks:
        low, high = 0, len(classes)
        same = None
        while low < high:
            middle = (low + high) // 2
            other = classes[middle][0]
            if nfd(chr(other) + chr(mark)) != chr(other) + chr(mark):
                high = middle  # the mark is put before
            elif nfd(chr(mark) + chr(other)) != chr(mark) + chr(other):
                low = middle + 1
            else:
                same = middle
                break
        if same is None:
            classes.insert(low, [mark])
        else:
            classes[same].append(mark)
    classes.append([ord(HIGHEST)])
    return {mark: rank for rank, group in enumerate(classes, 1) for mark in group}


def _compositions() -> dict[tuple[int, int], int]:
    nfc = probe.normalizer([{"type": "NFC"}])
    found: dict[tuple[int, int], int] = {}
    for c, parts in decomposition("NFD").items():
        if len(parts) < 2 or nfc(chr(c)) != chr(c):
            continue  # excluded from composition
        first = nfc("".join(map(chr, parts[:-1])))
        pair = (ord(first), parts[-1])
        if nfc(first + chr(parts[-1])) != chr(c):
            raise AssertionError(f"U+{c:04X} is not composed of its decomposition")
        found[pair] = c
    starters_second = {b for _, b in found} - set(_marks_of(found))
    firsts = {a for a, _ in found}
    if starters_second & firsts:
        raise AssertionError("a starter is both first and second of a composition")
    return found


def _marks_of(pairs: dict[tuple[int, int], int]) -> list[int]:
    nfd = probe.normalizer([{"type": "NFD"}])
    changing = decomposition("NFD")
    return [
        b
        for _, b in pairs
        if b == ord(HIGHEST) or (b not in changing and nfd(HIGHEST + chr(b)) != HIGHEST + chr(b))
    ]
