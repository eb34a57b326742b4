"""Decoders of `tokenizer.json`."""

from __future__ import annotations

from dataclasses import dataclass

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.spec.base import Component, Pattern, component


@component("decoder", "Sequence")
@dataclass(frozen=True)
class DecoderSequence(Component):
    """Parts for single tokens, then ones that join tokens, then Strip and Replace on the text."""

    decoders: tuple[Component, ...]

    def check(self, path: str) -> None:
        joined = False
        for index, part in enumerate(self.decoders):
            where = f"{path}.decoders[{index}]"
            joining = isinstance(part, (ByteLevelDecoder, ByteFallback, Fuse))
            if isinstance(part, DecoderSequence):
                raise UnsupportedTokenizerError(where, "a Sequence in a Sequence", "one Sequence")
            if joined and not joining and not isinstance(part, (StripDecoder, ReplaceDecoder)):
                raise UnsupportedTokenizerError(
                    where, f"{part.type_name} after tokens were joined", "Strip, Replace"
                )
            if joined and not joining and not self._is_fused(index):
                raise UnsupportedTokenizerError(
                    where, f"{part.type_name} between ByteFallback and Fuse", "Fuse"
                )
            if joined and joining and not self._follows_joining(index):
                raise UnsupportedTokenizerError(
                    where, f"{part.type_name} after an edit of the joined text", "Strip, Replace"
                )
            if isinstance(part, ByteLevelDecoder) and any(
                isinstance(other, ByteFallback) for other in self.decoders
            ):
                raise UnsupportedTokenizerError(where, "ByteLevel with ByteFallback", "one of them")
            joined = joined or joining

    def _is_fused(self, index: int) -> bool:
        return any(isinstance(part, (ByteLevelDecoder, Fuse)) for part in self.decoders[:index])

    def _follows_joining(self, index: int) -> bool:
        return isinstance(self.decoders[index - 1], (ByteLevelDecoder, ByteFallback, Fuse))


@component("decoder", "WordPiece")
@dataclass(frozen=True)
class WordPieceDecoder(Component):
    prefix: str = "##"
    cleanup: bool = True


@component("decoder", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelDecoder(Component):
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True


@component("decoder", "Metaspace")
@dataclass(frozen=True)
class MetaspaceDecoder(Component):
    replacement: str = "▁"
    prepend_scheme: str = "always"
    split: bool = True


@component("decoder", "BPEDecoder")
@dataclass(frozen=True)
class BPEDecoder(Component):
    suffix: str = "</w>"


@component("decoder", "ByteFallback")
@dataclass(frozen=True)
class ByteFallback(Component):
    pass


@component("decoder", "Fuse")
@dataclass(frozen=True)
class Fuse(Component):
    pass


@component("decoder", "Strip")
@dataclass(frozen=True)
class StripDecoder(Component):
    content: str
    start: int
    stop: int


@component("decoder", "Replace")
@dataclass(frozen=True)
class ReplaceDecoder(Component):
    pattern: Pattern
    content: str

    def check(self, path: str) -> None:
        self.pattern.check(f"{path}.pattern")
        if self.pattern.regex:
            raise UnsupportedTokenizerError(
                f"{path}.pattern", f"the regular expression {self.pattern.text!r}", "a literal"
            )
