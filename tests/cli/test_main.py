"""The command line: quick help, one-line errors, exit codes, quiet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tfmlm.cli.main import available_commands

HEAVY = ("tensorflow", "tf_keras", "transformers", "datasets", "numpy", "matplotlib")


def tfmlm(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tfmlm", *arguments], capture_output=True, text=True, cwd=cwd
    )


def test_every_command_of_the_contract_is_there() -> None:
    contract = ["demo", "train", "evaluate", "export", "inspect", "fill", "serve", "push"]
    assert set(contract) <= set(available_commands())


def test_help_lists_the_commands() -> None:
    done = tfmlm("--help")
    assert done.returncode == 0
    assert all(f"\n    {name} " in done.stdout for name in available_commands())


@pytest.mark.parametrize("name", available_commands())
def test_help_has_an_example_and_loads_nothing_heavy(name: str) -> None:
    code = (
        "import sys\n"
        "from tfmlm.cli.main import main\n"
        "try:\n"
        f"    main(['{name}', '--help'])\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0\n"
        f"print('loaded:', [m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"tfmlm {name}" in done.stdout.split("example:")[1]
    assert done.stdout.endswith("loaded: []\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "there is no command nonsense: demo, train, "),
        (["trian"], "there is no command trian; did you mean train?"),
        (["evalute", "--json"], "did you mean evaluate?"),
        (["train", "--no_such_flag"], "there is no flag --no_such_flag"),
        (["train", "--lerning_rate", "1"], "no flag --lerning_rate; did you mean --learning_rate?"),
        (["export", "--model_name_or_pth=x"], "did you mean --model_name_or_path?"),
        (["fill", "x", "y [MASK]", "--topk", "3"], "did you mean --top_k?"),
        (["export"], "--model_name_or_path"),
        (["fill"], "target"),
        (["export", "--model_name_or_path", "x", "--export_dir", "y", "--top_k", "many"], "many"),
        (["demo", "--num_train_epochs", "0"], "over 0"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    done = tfmlm(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_the_command_alone_gives_an_overview_that_begins_with_the_demo() -> None:
    done = tfmlm()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("tfmlm demo ")
    names = [line.split()[1] for line in lines if line.startswith("tfmlm ")][:-1]
    assert names == available_commands()
    assert max(map(len, lines)) <= 110


def test_an_error_of_a_run_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    arguments = ("export", "--model_name_or_path", "./nowhere", "--export_dir", "out")
    done = tfmlm(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "tfmlm export: error: no folder ./nowhere; give a checkpoint folder or a model's name"
    ]
    assert "Traceback" in tfmlm(*arguments, "--debug", cwd=tmp_path).stderr
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_version() -> None:
    from tfmlm import __version__

    assert tfmlm("--version").stdout == f"tfmlm {__version__}\n"
