"""Flags from the fields of a config dataclass, and the config from flags and a file."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from tfmlm.config import Config, read_config_file
from tfmlm.config_base import FieldType, convert, field_types
from tfmlm.errors import UserError

_Config = TypeVar("_Config", bound=Config)


def add_config_arguments(parser: argparse.ArgumentParser, config: type[Config]) -> None:
    """Adds one flag for each field, and `CONFIG`, a YAML or JSON file of the same settings.

    Flags that are not given are absent from the parsed arguments, so that the file's values and
    the defaults show through. Switches are given as `--name`, `--name true` or `--no_name`.
    """
    parser.add_argument(
        "config_file",
        nargs="?",
        metavar="CONFIG",
        help="YAML or JSON file of settings, by the flags' names; flags win over it",
    )
    types = field_types(config)
    for field in dataclasses.fields(config):
        _add_flag(parser, field, types[field.name].kind)


def _add_flag(parser: argparse.ArgumentParser, field: dataclasses.Field[Any], kind: type) -> None:
    default = field.default if field.default is not dataclasses.MISSING else None
    text = field.metadata.get("help", "")
    if default not in (None, "", False, True) and not text.endswith(")"):
        text += f" (default: {default})"
    options: dict[str, Any] = {
        "dest": field.name,
        "default": argparse.SUPPRESS,
        "help": text.replace("%", "%%"),
    }
    flags = [f"--{field.name}"]
    if "_" in field.name:
        flags.append(f"--{field.name.replace('_', '-')}")
    if kind is bool:
        # `nargs="?"` would swallow a config file's path behind the switch: only these words count.
        parser.add_argument(*flags, nargs="?", const=True, type=_switch, metavar="BOOL", **options)
        options["help"] = argparse.SUPPRESS
        parser.add_argument(f"--no_{field.name}", action="store_false", **options)
    elif kind is tuple:
        parser.add_argument(*flags, nargs="+", action="extend", metavar="FILE", **options)
    else:
        choices = field.metadata.get("choices")
        name = {int: "N", float: "X"}.get(kind, "NAME")
        metavar = "{" + ",".join(choices) + "}" if choices else name
        parser.add_argument(*flags, metavar=metavar, **options)


def _switch(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "yes", "on", "1"):
        return True
    if lowered in ("false", "no", "off", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is not true or false")


def config_from_arguments(
    args: argparse.Namespace,
    config: type[_Config],
    prepare: Callable[[dict[str, Any]], None] | None = None,
) -> _Config:
    """The config of a command line: defaults, then the file, then the flags.

    Args:
        args: the parsed flags; those that are no fields of the config are for the command, unless
            `prepare` takes them.
        config: which config.
        prepare: changes the settings by name before they are read, such as those that have another
            name elsewhere.

    Raises:
        UserError: a file that cannot be read, an unknown setting, or a value that cannot be.
    """
    fields = {field.name: field for field in dataclasses.fields(config)}
    types = field_types(config)
    values: dict[str, Any] = {}
    if args.config_file:
        values = read_config_file(args.config_file)
    given = dict(vars(args))
    if prepare is not None:
        prepare(values)
        prepare(given)
    for name, value in given.items():
        if name in fields:
            values[name] = value
    for name, value in values.items():
        if name in fields and isinstance(value, str):
            values[name] = convert_flag(fields[name], types[name], value)
    return config.from_dict(values)


def convert_flag(field: dataclasses.Field[Any], wanted: FieldType, value: str) -> Any:
    """A flag's text in its field's type.

    Raises:
        UserError: it cannot be read as that.
    """
    try:
        return convert(field, wanted, value)
    except UserError as error:
        raise UserError(f"--{error}") from None
