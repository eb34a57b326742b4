"""Regular expressions of published tokenizers, taken apart without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

SUPPORTED = "literals"


class UnsupportedPattern(ValueError):
    """The expression has a construct that the graph does not match; the message names it."""


@dataclass(frozen=True)
class Expression:
    """A parsed regular expression."""

    matches_nothing_long: bool = False


def parse(text: str) -> Expression:
    """Parses `text`, or raises `UnsupportedPattern`."""
    raise UnsupportedPattern("regular expressions")
