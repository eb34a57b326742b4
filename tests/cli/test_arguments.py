"""Flags of a config: every kind of setting, and what wins over what."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

from tfmlm.cli._arguments import add_config_arguments, config_from_arguments
from tfmlm.config_base import Config, setting
from tfmlm.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Sizes(Config):
    """One setting of each kind."""

    files: tuple[str, ...] = setting((), "files")
    top_k: int = setting(3, "candidates, 50 % of them")
    rate: float | None = setting(None, "share")
    fast: bool = setting(False, "speed")
    end_of_line: str = setting("auto", "ends", choices=("auto", "no"))


def config(*arguments: str) -> Sizes:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser, Sizes)
    return config_from_arguments(parser.parse_args(arguments), Sizes)


def test_every_kind_of_flag() -> None:
    assert config() == Sizes()
    given = ["--files", "a", "b", "--files", "c", "--top-k", "7", "--rate", "1e-2"]
    assert config(*given, "--fast", "--end_of_line", "no") == Sizes(
        files=("a", "b", "c"), top_k=7, rate=0.01, fast=True, end_of_line="no"
    )
    for arguments, fast in (
        (["--fast", "true"], True),
        (["--fast", "off"], False),
        (["--fast", "--no_fast"], False),
        (["--no_fast", "--fast"], True),
    ):
        assert config(*arguments).fast is fast


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("top-k: 5\nrate: 1e-3\nfast: yes\nend_of_line: no\n")
    of_file = Sizes(top_k=5, rate=0.001, fast=True, end_of_line="no")
    assert config(str(file)) == of_file
    assert config(str(file), "--top_k", "3", "--no_fast") == Sizes(rate=0.001, end_of_line="no")


def test_prepare_sees_both_before_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"candidates": 5}')
    parser = argparse.ArgumentParser()
    add_config_arguments(parser, Sizes)
    parser.add_argument("--share", dest="share")

    def prepare(values: dict) -> None:
        for other, name in (("candidates", "top_k"), ("share", "rate")):
            if other in values:
                values[name] = values.pop(other)

    args = parser.parse_args([str(file), "--share", "0.5"])
    assert config_from_arguments(args, Sizes, prepare) == Sizes(top_k=5, rate=0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top_k", "x"], "--top_k is 'x'; expected int"),
        (["--rate", "much"], "--rate is 'much'; expected float"),
        (["--end_of_line", "cr"], "end_of_line is 'cr'; choose from auto, no"),
        (["missing.yaml"], "cannot read the config file missing.yaml"),
    ],
)
def test_wrong_values_name_the_flag(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        config(*arguments)
    assert message in str(error.value)


def test_a_wrong_switch_takes_no_file_for_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        config("--fast", "perhaps")
    assert "'perhaps' is not true or false" in capsys.readouterr().err
    parser = argparse.ArgumentParser()
    add_config_arguments(parser, Sizes)
    assert "candidates, 50 % of them (default: 3)" in " ".join(parser.format_help().split())
