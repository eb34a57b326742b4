"""Normalizers of `tokenizer.json`."""

from __future__ import annotations

from dataclasses import dataclass

from tfmlm.tokenizer_graph.spec.base import Component, Pattern, component


@component("normalizer", "Sequence")
@dataclass(frozen=True)
class NormalizerSequence(Component):
    normalizers: tuple[Component, ...]


@component("normalizer", "BertNormalizer")
@dataclass(frozen=True)
class BertNormalizer(Component):
    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool | None = None
    lowercase: bool = True

    @property
    def strips_accents(self) -> bool:
        """Accents go with lowercasing unless set otherwise."""
        return self.lowercase if self.strip_accents is None else self.strip_accents


@component("normalizer", "NFC")
@dataclass(frozen=True)
class NFC(Component):
    pass


@component("normalizer", "NFD")
@dataclass(frozen=True)
class NFD(Component):
    pass


@component("normalizer", "NFKC")
@dataclass(frozen=True)
class NFKC(Component):
    pass


@component("normalizer", "NFKD")
@dataclass(frozen=True)
class NFKD(Component):
    pass


@component("normalizer", "Nmt")
@dataclass(frozen=True)
class Nmt(Component):
    pass


@component("normalizer", "Lowercase")
@dataclass(frozen=True)
class Lowercase(Component):
    pass


@component("normalizer", "StripAccents")
@dataclass(frozen=True)
class StripAccents(Component):
    pass


@component("normalizer", "Strip")
@dataclass(frozen=True)
class StripNormalizer(Component):
    strip_left: bool = True
    strip_right: bool = True


@component("normalizer", "Replace")
@dataclass(frozen=True)
class ReplaceNormalizer(Component):
    pattern: Pattern
    content: str

    def check(self, path: str) -> None:
        self.pattern.check(f"{path}.pattern")


@component("normalizer", "Prepend")
@dataclass(frozen=True)
class Prepend(Component):
    prepend: str


@component("normalizer", "Precompiled")
@dataclass(frozen=True)
class Precompiled(Component):
    precompiled_charsmap: str


@component("normalizer", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelNormalizer(Component):
    pass
