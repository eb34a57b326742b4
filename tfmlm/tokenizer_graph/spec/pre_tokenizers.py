"""Pre-tokenizers of `tokenizer.json`."""

from __future__ import annotations

from dataclasses import dataclass

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.spec.base import Component, Pattern, component

BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")


@component("pre_tokenizer", "Sequence")
@dataclass(frozen=True)
class PreTokenizerSequence(Component):
    pretokenizers: tuple[Component, ...]


@component("pre_tokenizer", "BertPreTokenizer")
@dataclass(frozen=True)
class BertPreTokenizer(Component):
    pass


@component("pre_tokenizer", "Whitespace")
@dataclass(frozen=True)
class Whitespace(Component):
    pass


@component("pre_tokenizer", "WhitespaceSplit")
@dataclass(frozen=True)
class WhitespaceSplit(Component):
    pass


@component("pre_tokenizer", "Punctuation")
@dataclass(frozen=True)
class Punctuation(Component):
    behavior: str = "Isolated"

    def check(self, path: str) -> None:
        _check_behavior(self.behavior, path)


@component("pre_tokenizer", "Digits")
@dataclass(frozen=True)
class Digits(Component):
    individual_digits: bool = False


@component("pre_tokenizer", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelPreTokenizer(Component):
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True


@component("pre_tokenizer", "Metaspace")
@dataclass(frozen=True)
class MetaspacePreTokenizer(Component):
    replacement: str = "▁"
    prepend_scheme: str = "always"
    split: bool = True

    def check(self, path: str) -> None:
        if self.prepend_scheme not in ("always", "first", "never"):
            raise UnsupportedTokenizerError(
                f"{path}.prepend_scheme", repr(self.prepend_scheme), "always, first, never"
            )


@component("pre_tokenizer", "CharDelimiterSplit")
@dataclass(frozen=True)
class CharDelimiterSplit(Component):
    delimiter: str

    def check(self, path: str) -> None:
        if len(self.delimiter) != 1:
            raise UnsupportedTokenizerError(f"{path}.delimiter", repr(self.delimiter), "one char")


@component("pre_tokenizer", "Split")
@dataclass(frozen=True)
class Split(Component):
    pattern: Pattern
    behavior: str
    invert: bool = False

    def check(self, path: str) -> None:
        _check_behavior(self.behavior, path)
        self.pattern.check(f"{path}.pattern", positions=True)


@component("pre_tokenizer", "FixedLength")
@dataclass(frozen=True)
class FixedLength(Component):
    length: int = 5

    def check(self, path: str) -> None:
        if self.length < 1:
            raise UnsupportedTokenizerError(f"{path}.length", str(self.length), "at least 1")


def _check_behavior(behavior: str, path: str) -> None:
    if behavior not in BEHAVIORS:
        raise UnsupportedTokenizerError(f"{path}.behavior", repr(behavior), ", ".join(BEHAVIORS))
