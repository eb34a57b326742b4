"""Post-processors of `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.spec.base import Component, component


@component("post_processor", "Sequence")
@dataclass(frozen=True)
class PostProcessorSequence(Component):
    processors: tuple[Component, ...]


@component("post_processor", "TemplateProcessing")
@dataclass(frozen=True, eq=False)
class TemplateProcessing(Component):
    single: tuple[Mapping[str, Any], ...]
    pair: tuple[Mapping[str, Any], ...]
    special_tokens: Mapping[str, Any]

    def check(self, path: str) -> None:
        for name, pieces, order in (
            ("single", self.single, ["A"]),
            ("pair", self.pair, ["A", "B"]),
        ):
            texts = [piece["Sequence"]["id"] for piece in pieces if "Sequence" in piece]
            if texts != order:
                raise UnsupportedTokenizerError(
                    f"{path}.{name}", f"the texts {texts}", f"the texts {order}, each once"
                )


@component("post_processor", "BertProcessing")
@dataclass(frozen=True)
class BertProcessing(Component):
    sep: tuple[Any, ...]
    cls: tuple[Any, ...]


@component("post_processor", "RobertaProcessing")
@dataclass(frozen=True)
class RobertaProcessing(Component):
    sep: tuple[Any, ...]
    cls: tuple[Any, ...]
    trim_offsets: bool = True
    add_prefix_space: bool = True


@component("post_processor", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelPostProcessor(Component):
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True
