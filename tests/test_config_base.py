"""What all settings share: conversion, reading from files, numbers that can be computed with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.test_config import GOOD
from tfmlm.cli._arguments import convert_flag
from tfmlm.config import MaskingConfig, TrainConfig, read_config_file
from tfmlm.config_base import field_types
from tfmlm.errors import UserError


def test_file_values_are_converted() -> None:
    config = TrainConfig.from_dict(
        {**GOOD, "learning_rate": "1e-4", "max_steps": 10.0, "streaming": "yes", "revision": None}
    )
    assert config.train_file == ("a.txt",)
    assert (config.learning_rate, config.max_steps, config.streaming) == (1e-4, 10, True)
    assert TrainConfig.from_dict({**GOOD, "mixed_precision": False}).mixed_precision == "no"
    assert TrainConfig.from_dict(config.to_dict()) == config


NUMBERS = [f for f in dataclasses.fields(TrainConfig) if str(f.type).startswith(("int", "float"))]


NOT_NUMBERS = ("1e400", "-1e400", "inf", "-Infinity", ".inf", "nan", "NaN", ".nan", "1" * 5000)


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_no_setting_is_infinite_or_undefined(text: str, tmp_path: Path) -> None:
    """From YAML, from JSON, from a flag and from Python, in every numeric setting."""
    for field in NUMBERS:
        wanted = field_types(TrainConfig)[field.name]
        ways = [lambda f=field, w=wanted: convert_flag(f, w, text)]
        for name in ("x.yaml", "x.json"):
            (tmp_path / name).write_text(json.dumps({field.name: 0}).replace("0", text))
            ways.append(lambda name=name: read_config_file(tmp_path / name))
        for way in ways:
            with pytest.raises(UserError) as error:  # noqa: PT012
                value = way()
                TrainConfig.from_dict(
                    {**GOOD, **(value if isinstance(value, dict) else {field.name: value})}
                )
            assert "\n" not in str(error.value) and len(str(error.value)) < 300
    for value in (float("inf"), float("-inf"), float("nan")):
        for field in NUMBERS:
            with pytest.raises(UserError, match=field.name):
                TrainConfig(**{**GOOD, "train_file": ("x",), field.name: value})


def test_settings_are_frozen_and_keyword_only() -> None:
    with pytest.raises(TypeError):
        MaskingConfig(0.2)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        MaskingConfig().mlm_probability = 0.5  # type: ignore[misc]


def test_yaml_and_json_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("max-steps: 3\ntrain_file: [a, b]\n")
    (tmp_path / "a.json").write_text('{"max_steps": 3, "train_file": ["a", "b"]}')
    expected = {"max_steps": 3, "train_file": ["a", "b"]}
    assert read_config_file(tmp_path / "a.yaml") == expected
    assert read_config_file(tmp_path / "a.json") == expected
    for content in ("[1]", "a: [", "just text"):
        (tmp_path / "b.yaml").write_text(content)
        with pytest.raises(UserError, match="config file"):
            read_config_file(tmp_path / "b.yaml")
