"""What all settings share: fields with help texts, validation, reading from files."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from tfmlm.errors import UserError

#: Whole numbers up to here are exact in float64, in which schedules are computed.
_LARGEST = 2**53
_Config = TypeVar("_Config", bound="Config")


def setting(default: Any, help: str, choices: tuple[str, ...] | None = None) -> Any:
    """A dataclass field with its help text and, for strings, the values that are allowed."""
    metadata = {"help": help, "choices": choices}
    if isinstance(default, list | tuple):
        return dataclasses.field(default_factory=lambda: tuple(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base: reading from and writing to files, validation at construction."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
            require_countable(field.name, value)
            choices = field.metadata.get("choices")
            if choices and value is not None and value not in choices:
                raise UserError(f"{field.name} is {value!r}; choose from {', '.join(choices)}")
        self.check()

    def check(self) -> None:
        """Raises `UserError` for values that cannot work. Subclasses extend it."""

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-ready values."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls: type[_Config], values: dict[str, Any]) -> _Config:
        """Makes the config from a mapping such as a YAML file's.

        Raises:
            UserError: an unknown setting, or a value of the wrong kind.
        """
        known = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            import difflib

            close = difflib.get_close_matches(unknown[0], known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UserError(f"unknown setting {unknown[0]}{hint}")
        types = field_types(cls)
        return cls(**{n: convert(known[n], types[n], value) for n, value in values.items()})


class FieldType(NamedTuple):
    """What a setting holds.

    Attributes:
        kind: bool, int, float, str, or tuple (of strings).
        optional: whether it may be None.
    """

    kind: type
    optional: bool


def field_types(config: type[Config]) -> dict[str, FieldType]:
    """The type of each setting by its name."""
    found = {}
    for name, hint in get_type_hints(config).items():
        kinds = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)]
        if get_origin(hint) is tuple:
            kinds = [tuple]
        found[name] = FieldType(kinds[0], type(None) in get_args(hint))
    return found


def convert(field: dataclasses.Field[Any], wanted: FieldType, value: Any) -> Any:
    """`value` in the field's type; accepts what YAML makes of it (1e-4 is a string there).

    Raises:
        UserError: the value cannot be read as the field's type.
    """
    kind = wanted.kind
    if value is None:
        if wanted.optional:
            return None
        raise UserError(f"{field.name} needs a value")
    try:
        if kind is tuple:
            items = [value] if isinstance(value, str | os.PathLike) else value
            return tuple(str(item) for item in items)
        if kind is bool:
            return _to_bool(value)
        if kind is int:
            if isinstance(value, bool) or float(value) != int(float(value)):
                raise ValueError
            return value if isinstance(value, int) else int(float(value))
        if kind is float:
            if isinstance(value, bool):
                raise ValueError
            return float(value)
        if isinstance(value, dict | list):
            raise ValueError
        if value is False and "no" in (field.metadata.get("choices") or ()):
            return "no"  # YAML reads a bare `no` as false
        if value is True and "yes" in (field.metadata.get("choices") or ()):
            return "yes"
        return str(value)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f"{field.name} is {_shown(value)}; expected {kind.__name__}") from None


def _shown(value: Any) -> str:
    """A wrong value in a message, which may be long or have more digits than Python writes."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 100 else text[:100] + "…"


def require_countable(name: str, value: Any) -> None:
    """Raises `UserError` for numbers with which nothing can be computed: infinite, undefined, or a
    whole number that float64 does not hold exactly."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{name} is {value}; expected a finite number")
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        raise UserError(f"{name} is beyond {_LARGEST}; expected a smaller number")


def _to_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "yes", "on", "1"):
        return True
    if text in ("false", "no", "off", "0"):
        return False
    raise ValueError


def read_config_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a YAML or JSON file of settings.

    Raises:
        UserError: the file is missing, broken, or holds no mapping.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read the config file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"the config file {file} is not UTF-8 text") from None
    try:
        if file.suffix.lower() == ".json":
            values = json.loads(text)
        else:
            import yaml

            values = yaml.safe_load(text)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"the config file {file} cannot be parsed: {reason}") from None
    if not isinstance(values, dict):
        raise UserError(f"the config file {file} must hold settings as NAME: VALUE")
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def require_range(config: Any, name: str, low: float, high: float, open_low: bool = False) -> None:
    """Raises `UserError` unless low <= value <= high (low < value if `open_low`)."""
    value = getattr(config, name)
    if value is None:
        return
    if not low <= value <= high or (open_low and value == low):
        left = "over" if open_low else "at least"
        bound = "" if high == float("inf") else f" and at most {high:g}"
        raise UserError(f"{name} is {value:g}; it must be {left} {low:g}{bound}")
