"""Regular expressions of published tokenizers, taken apart without TensorFlow.

The supported grammar is what tokenizers use: alternation, groups, classes of single characters,
repetition of a single character (greedy, lazy or possessive), look-ahead, look-behind of a fixed
length, anchors, word boundaries, and case insensitive groups. What a class *means* is never decided
here: its text is handed to the Rust library, which is asked about every code point
(`ops/regex.py`). The syntax is Oniguruma's: https://github.com/kkos/oniguruma/blob/master/doc/RE
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

SUPPORTED = (
    "literals, ., classes, groups, alternation, ? * + {m,n} on one character (greedy or lazy; ? * +"
    r" possessive), ? on a group, (?i:...), look-ahead, look-behind of a fixed length, ^ $ \A \z \b"
)
UNBOUNDED = 1 << 30
#: How a repetition chooses: as much as it can, as little, or as much without giving back.
GREEDY, LAZY, POSSESSIVE = "greedy", "lazy", "possessive"
#: Positions: start and end of the text, of a line, and between a word's character and another.
ANCHORS = {
    "^": "line start",
    "$": "line end",
    r"\A": "start",
    r"\z": "end",
    r"\b": "boundary",
    r"\B": "no boundary",
}


class UnsupportedPattern(ValueError):
    """The expression has a construct that the graph does not match; the message names it."""


@dataclass(frozen=True)
class Characters:
    """One character class, repeated.

    Attributes:
        text: a regular expression that matches exactly one character.
        least, most: how often.
        mode: `GREEDY`, `LAZY` or `POSSESSIVE`.
    """

    text: str
    least: int = 1
    most: int = 1
    mode: str = GREEDY


@dataclass(frozen=True)
class LookAhead:
    """`(?!...)` or `(?=...)`: what must not, or must, follow."""

    group: Group
    negative: bool

    @property
    def character(self) -> str | None:
        """The class if it looks at a single character."""
        return single_class(Expression(self.group))


@dataclass(frozen=True)
class LookBehind:
    """`(?<!...)` or `(?<=...)` of a fixed length.

    Attributes:
        texts: expressions of single characters, the nearest first.
    """

    texts: tuple[str, ...]
    negative: bool


@dataclass(frozen=True)
class Anchor:
    """A position; `kind` is a value of `ANCHORS`."""

    kind: str


@dataclass(frozen=True)
class Group:
    """Alternatives, tried in order; `optional` ones are tried before going without."""

    alternatives: tuple[tuple[Node, ...], ...]
    optional: bool = False


Node = Characters | LookAhead | LookBehind | Anchor | Group


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

    @property
    def is_position(self) -> bool:
        """Whether it only ever matches the empty string."""
        return not _can_consume(self.root)


def single_class(expression: Expression) -> str | None:
    """The class if the expression is one character and nothing else."""
    if len(expression.root.alternatives) == 1 and len(expression.root.alternatives[0]) == 1:
        node = expression.root.alternatives[0][0]
        if isinstance(node, Characters) and (node.least, node.most) == (1, 1):
            return node.text
    return None


def _consumes(node: Node) -> bool:
    """Whether every match of the node has a character."""
    if isinstance(node, Characters):
        return node.least > 0
    if not isinstance(node, Group) or node.optional:
        return False
    return all(any(_consumes(child) for child in items) for items in node.alternatives)


def _can_consume(node: Node) -> bool:
    """Whether some match of the node has a character."""
    if isinstance(node, Characters):
        return node.most > 0
    if not isinstance(node, Group):
        return False
    return any(_can_consume(child) for items in node.alternatives for child in items)


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
        for length in (1, 2):
            if self.peek(length) in ANCHORS and len(self.peek(length)) == length:
                return self.anchor(length)
        text = self.flagged(self.character(), flags)
        least, most, mode = self.quantifier()
        return Characters(text, least, most, mode)

    def anchor(self, length: int) -> Node:
        kind = ANCHORS[self.peek(length)]
        self.at += length
        if self.quantifier() != (1, 1, GREEDY):
            raise UnsupportedPattern("a repeated anchor")
        return Anchor(kind)

    @staticmethod
    def flagged(text: str, flags: str) -> str:
        return f"(?{flags}:{text})" if flags else text

    def group(self, flags: str) -> Node:
        self.at += 1
        for start, negative in (("?=", False), ("?!", True)):
            if self.peek(2) == start:
                return LookAhead(self.rest_of_group(2, flags), negative)
        for start, negative in (("?<=", False), ("?<!", True)):
            if self.peek(3) == start:
                inner = self.rest_of_group(3, flags)
                if all(isinstance(node, Anchor) for part in inner.alternatives for node in part):
                    return LookAhead(inner, negative)  # a position has no two sides
                return LookBehind(_fixed(inner), negative)
        skipped = 0
        if self.peek(3) == "?i:":
            skipped, flags = 3, "i"
        elif self.peek(2) == "?:":
            skipped = 2
        elif self.peek() == "?":
            raise UnsupportedPattern(f"the group ({self.peek(3)}")
        inner = self.rest_of_group(skipped, flags)
        least, most, mode = self.quantifier()
        if (least, most) == (1, 1):
            return inner
        if (least, most) != (0, 1) or mode != GREEDY:
            raise UnsupportedPattern("a repeated group")
        return Group(inner.alternatives, optional=True)

    def rest_of_group(self, skipped: int, flags: str) -> Group:
        self.at += skipped
        inner = self.alternatives(flags)
        if self.peek() != ")":
            raise UnsupportedPattern("a group that is not closed")
        self.at += 1
        return inner

    def character(self) -> str:
        """The text of one single-character matcher."""
        start = self.at
        c = self.peek()
        if c == "[":
            self._skip_class()
        elif c == "\\":
            self._skip_escape()
        elif not c or c in "*+?{}()|":
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

    def quantifier(self) -> tuple[int, int, str]:
        """Least, most and mode of the repetition that follows; once if there is none."""
        c = self.peek()
        simple = {"?": (0, 1), "*": (0, UNBOUNDED), "+": (1, UNBOUNDED)}
        if c in simple:
            self.at += 1
            mode = {"?": LAZY, "+": POSSESSIVE}.get(self.peek(), GREEDY)
            self.at += mode != GREEDY
            self._refuse_second_quantifier()
            return *simple[c], mode
        if c != "{":
            return 1, 1, GREEDY
        end = self.text.find("}", self.at)
        low, _, high = self.text[self.at + 1 : end].partition(",")
        if end < 0 or not low.isdigit() or not (high.isdigit() or not high):
            raise UnsupportedPattern(f"{self.text[self.at : end + 1]!r}")
        exact = "," not in self.text[self.at : end]
        self.at = end + 1
        mode = GREEDY
        if self.peek() == "?" and not exact:
            mode = LAZY
            self.at += 1
        self._refuse_second_quantifier()
        most = int(low) if exact else int(high) if high else UNBOUNDED
        if most < int(low):
            raise UnsupportedPattern(f"{{{low},{high}}}, which Oniguruma reads in its own way")
        return int(low), most, mode

    def _refuse_second_quantifier(self) -> None:
        if self.peek() and self.peek() in "?*+{":
            raise UnsupportedPattern("a repetition of a repetition")


def _fixed(group: Group) -> tuple[str, ...]:
    """The characters of a look-behind, the nearest first."""
    texts: list[str] = []
    if len(group.alternatives) != 1:
        raise UnsupportedPattern("a look-behind with alternatives")
    for node in group.alternatives[0]:
        if not isinstance(node, Characters) or node.least != node.most:
            raise UnsupportedPattern("a look-behind that is not of a fixed length")
        texts += [node.text] * node.least
    if not texts:
        raise UnsupportedPattern("an empty look-behind")
    return tuple(reversed(texts))
