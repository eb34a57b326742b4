"""Regular expressions for TensorFlow's string ops, whose engine is RE2, from code points."""

from __future__ import annotations

from collections.abc import Iterable


def literal(text: str) -> str:
    """An expression that matches just `text`."""
    return "".join(f"\\x{{{ord(c):x}}}" for c in text)


def character_class(codepoints: Iterable[int]) -> str:
    """An expression that matches one of the code points."""
    ranges: list[list[int]] = []
    for c in sorted(codepoints):
        if ranges and c == ranges[-1][1] + 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges) + "]"
