"""`python -m tfmlm` is what the console script runs."""

from __future__ import annotations

import configparser
import importlib
import runpy
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["--no-such-flag"], 2), (["inspect", "no such folder"], 2)],
)
def test_it_is_the_console_script(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    name, _, target = setup["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    said = []
    for run in (
        lambda: sys.exit(getattr(importlib.import_module(module), function)()),
        lambda: runpy.run_module("tfmlm", run_name="__main__"),
    ):
        with pytest.raises(SystemExit) as ended:
            run()
        assert ended.value.code == code
        said.append(capsys.readouterr())
    assert said[0] == said[1] and any(said[0])


def test_an_import_runs_nothing() -> None:
    assert "main" in runpy.run_module("tfmlm.__main__")
