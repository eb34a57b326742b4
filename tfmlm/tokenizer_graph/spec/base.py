"""What all component specs share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.spec import patterns

STAGES = ("normalizer", "pre_tokenizer", "model", "post_processor", "decoder")
SPECS: dict[str, dict[str, type]] = {stage: {} for stage in STAGES}


def component(stage: str, type_name: str) -> Callable[[type], type]:
    """Registers a dataclass for the JSON `type` of a stage; a second registration raises."""

    def decorate(cls: type) -> type:
        if type_name in SPECS[stage]:
            raise ValueError(f"{stage} {type_name} is registered already")
        SPECS[stage][type_name] = cls
        cls.type_name = type_name  # type: ignore[attr-defined]
        cls.stage = stage  # type: ignore[attr-defined]
        return cls

    return decorate


@dataclass(frozen=True)
class Component:
    """Base of all component specs."""

    type_name: ClassVar[str] = ""
    stage: ClassVar[str] = ""

    def check(self, path: str) -> None:
        """Raises `UnsupportedTokenizerError` if these settings cannot be compiled."""

    def to_json(self) -> dict[str, Any]:
        """The component as it stands in `tokenizer.json`."""
        value: dict[str, Any] = {"type": self.type_name}
        for item in dataclasses.fields(self):
            value[item.name] = _as_json(getattr(self, item.name))
        return value


def _as_json(value: Any) -> Any:
    if isinstance(value, Component):
        return value.to_json()
    if isinstance(value, Pattern):
        return {"Regex" if value.regex else "String": value.text}
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    return value


@dataclass(frozen=True)
class Pattern:
    """What Replace and Split look for: a literal, or a regular expression."""

    text: str
    regex: bool

    def check(self, path: str, positions: bool = False) -> None:
        """Raises unless the pattern can be matched in the graph.

        Args:
            positions: whether it may match nothing but empty strings, between characters.
        """
        if self.regex:
            try:
                expression = patterns.parse(self.text)
            except patterns.UnsupportedPattern as error:
                raise UnsupportedTokenizerError(
                    path, f"the regular expression {self.text!r} ({error})", patterns.SUPPORTED
                ) from None
            if expression.matches_nothing_long and not (positions and expression.is_position):
                raise UnsupportedTokenizerError(
                    path, f"the regular expression {self.text!r}, which matches the empty string"
                )
        elif not self.text and not positions:
            raise UnsupportedTokenizerError(path, "an empty pattern")
