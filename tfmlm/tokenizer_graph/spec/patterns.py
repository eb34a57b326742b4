"""Regular expressions of published tokenizers, taken apart without TensorFlow.

The supported grammar is what tokenizers use: alternation, groups, classes of single characters,
greedy and possessive repetition of a single character, look-ahead for one character, and case
insensitive groups. What a class *means* is never decided here: its text is handed to the Rust
library, which is asked about every code point (`ops/regex.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

SUPPORTED = (
    "literals, classes, groups, alternation, ? * + {m,n} on one character (greedy or possessive),"
    " ? on a group, (?i:...), (?!c) and (?=c) for one character c"
)
UNBOUNDED = 1 << 30


class UnsupportedPattern(ValueError):
    """The expression has a construct that the graph does not match; the message names it."""


@dataclass(frozen=True)
class Characters:
    """One character class, repeated.

    Attributes:
        text: a regular expression that matches exactly one character.
        least, most: how often.
        possessive: gives nothing back.
    """

    text: str
    least: int = 1
    most: int = 1
    possessive: bool = False

    def nullable(self) -> bool:
        return self.least == 0


@dataclass(frozen=True)
class LookAhead:
    """`(?!c)` or `(?=c)`: what the next character must not, or must, be."""

    text: str
    negative: bool

    def nullable(self) -> bool:
        return self.negative  # at the end of the text there is no next character


@dataclass(frozen=True)
class Group:
    """Alternatives, tried in order; `optional` ones are tried before going without."""

    alternatives: tuple[tuple[Node, ...], ...]
    optional: bool = False

    def nullable(self) -> bool:
        return self.optional or any(
            all(node.nullable() for node in alternative) for alternative in self.alternatives
        )


Node = Characters | LookAhead | Group


@dataclass(frozen=True)
class Expression:
    """A parsed regular expression."""

    root: Group

    @property
    def matches_nothing_long(self) -> bool:
        """Whether it can match the empty string somewhere."""
        return any(
            not any(_consumes(node) for node in alternative)
            for alternative in self.root.alternatives
        )


def single_class(expression: Expression) -> str | None:
    """The class if the expression is one character and nothing else."""
    if len(expression.root.alternatives) == 1 and len(expression.root.alternatives[0]) == 1:
        node = expression.root.alternatives[0][0]
        if isinstance(node, Characters) and (node.least, node.most) == (1, 1):
            return node.text
    return None


def _consumes(node: Node) -> bool:
    if isinstance(node, Characters):
        return node.least > 0
    if isinstance(node, LookAhead) or node.optional:
        return False
    return all(any(_consumes(child) for child in items) for items in node.alternatives)


@lru_cache
def parse(text: str) -> Expression:
    """Parses `text`.

    Raises:
        UnsupportedPattern: it holds something else than `SUPPORTED`.
    """
    parser = _Parser(text)
    root = parser.alternatives("")
    if parser.at < len(text):
        raise UnsupportedPattern(f"unmatched ) at {parser.at}")
    return Expression(root)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def alternatives(self, flags: str) -> Group:
        found: list[tuple[Node, ...]] = []
        items: list[Node] = []
        while self.at < len(self.text) and self.peek() != ")":
            if self.peek() == "|":
                self.at += 1
                found.append(tuple(items))
                items = []
            else:
                items.append(self.item(flags))
        return Group((*found, tuple(items)))

    def item(self, flags: str) -> Node:
        if self.peek() == "(":
            return self.group(flags)
        text = self.character()
        if flags:
            text = f"(?{flags}:{text})"
        least, most, possessive = self.quantifier()
        return Characters(text, least, most, possessive)

    def group(self, flags: str) -> Node:
        self.at += 1
        look = self.peek(2)
        if look in ("?!", "?="):
            self.at += 2
            text = self.character()
            if self.peek() != ")":
                raise UnsupportedPattern("a look-ahead for more than one character")
            self.at += 1
            if flags:
                text = f"(?{flags}:{text})"
            return LookAhead(text, negative=look == "?!")
        if self.peek(3) == "?i:":
            self.at += 3
            flags = "i"
        elif look == "?:":
            self.at += 2
        elif self.peek() == "?":
            raise UnsupportedPattern(f"the group ({self.peek(3)}")
        inner = self.alternatives(flags)
        if self.peek() != ")":
            raise UnsupportedPattern("a group that is not closed")
        self.at += 1
        least, most, possessive = self.quantifier()
        if (least, most) == (1, 1):
            return inner
        if (least, most) != (0, 1) or possessive:
            raise UnsupportedPattern("a repeated group")
        return Group(inner.alternatives, optional=True)

    def character(self) -> str:
        """The text of one single-character matcher."""
        start = self.at
        c = self.peek()
        if c == "[":
            self._skip_class()
        elif c == "\\":
            self._skip_escape()
        elif not c or c in "^$.*+?{}()|":
            raise UnsupportedPattern(f"{c or 'the end'!r} at {start}")
        else:
            self.at += 1
        return self.text[start : self.at]

    def _skip_escape(self) -> None:
        kind = self.peek(2)[1:]
        if kind in ("p", "P"):
            end = self.text.find("}", self.at)
            if self.peek(3)[2:] != "{" or end < 0:
                raise UnsupportedPattern(f"{self.peek(4)!r} at {self.at}")
            self.at = end + 1
        elif kind == "x" and self.peek(3)[2:] == "{":
            self.at = self.text.index("}", self.at) + 1
        elif kind == "x":
            self.at += 4
        elif kind == "u":
            self.at += 6
        elif kind and (kind in "sSdDwWhHnrtfv" or not kind.isalnum()):
            self.at += 2
        else:
            raise UnsupportedPattern(f"\\{kind}")

    def _skip_class(self) -> None:
        depth = 0
        while self.at < len(self.text):
            c = self.peek()
            if c == "\\":
                self._skip_escape()
                continue
            self.at += 1
            if c == "[":
                depth += 1
                if self.peek() == "^":
                    self.at += 1
                if self.peek() == "]":  # a ] that comes first is a character
                    self.at += 1
            elif c == "]":
                depth -= 1
                if depth == 0:
                    return
        raise UnsupportedPattern("a class that is not closed")

    def quantifier(self) -> tuple[int, int, bool]:
        c = self.peek()
        simple = {"?": (0, 1), "*": (0, UNBOUNDED), "+": (1, UNBOUNDED)}
        if c in simple:
            self.at += 1
            least, most = simple[c]
            if self.peek() == "?":
                raise UnsupportedPattern("a lazy repetition")
            possessive = self.peek() == "+"
            self.at += possessive
            return least, most, possessive
        if c != "{":
            return 1, 1, False
        end = self.text.find("}", self.at)
        low, _, high = self.text[self.at + 1 : end].partition(",")
        if end < 0 or not low.isdigit() or not (high.isdigit() or not high):
            raise UnsupportedPattern(f"{self.text[self.at : end + 1]!r}")
        exact = "," not in self.text[self.at : end]
        self.at = end + 1
        if self.peek() and self.peek() in "?+":
            raise UnsupportedPattern("a lazy or possessive {m,n}")
        most = int(low) if exact else int(high) if high else UNBOUNDED
        return int(low), most, False
