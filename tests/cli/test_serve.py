"""The command line of `tfmlm serve`; the server itself is tested in tests/serve."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfmlm.cli.main import main


def tfmlm(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PATH": path} if path is not None else {})}
    return subprocess.run(
        [sys.executable, "-m", "tfmlm", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )


def test_help_is_quick_and_shows_an_example() -> None:
    started = time.monotonic()
    done = tfmlm("serve", "--help")
    assert done.returncode == 0 and time.monotonic() - started < 5
    assert "tfmlm serve --model_name=mlm --model_base_path=export" in done.stdout
    for flag in ("--port", "--rest_api_port", "--enable_batching", "--monitoring_config_file"):
        assert flag in done.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give --model_base_path or --model_config_file"),
        (["--model_base_path=/no/where"], "/no/where is not a folder"),
        (["--model_base_path=/", "--port=x"], "argument --port: invalid int value: 'x'"),
        (["--model_base_path=/", "--enable_batching=perhaps"], "true or false, not 'perhaps'"),
        (
            ["--model_base_path=/", "--prefer_tflite_model"],
            "--prefer_tflite_model has no meaning for the local server; "
            "use --engine=tensorflow_model_server",
        ),
        (["--model_base_path=/", "--batching_parameters_file=x"], "without --enable_batching"),
        (["--engine=tensorflow_model_server", "--host=::"], "--host is a flag of the local server"),
    ],
)
def test_mistakes_are_one_line(flags: list[str], message: str, capfd) -> None:
    try:
        code = main(["serve", *flags])
    except SystemExit as stop:
        code = stop.code
    out, err = capfd.readouterr()
    assert code == 2 and out == ""
    assert err.count("\n") == 1 and message in err


def test_the_other_engine_missing() -> None:
    done = tfmlm(
        "serve", "--engine=tensorflow_model_server", "--model_base_path=/", path="/nowhere"
    )
    assert done.returncode == 2
    assert "tensorflow_model_server is not on the PATH" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_other_engine_gets_the_flags(tmp_path: Path) -> None:
    binary = tmp_path / "tensorflow_model_server"
    binary.write_text(
        f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(7)\n"
    )
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    done = tfmlm(
        "serve",
        "--engine=tensorflow_model_server",
        "--model_name=mlm",
        "--model_base_path=/models/mlm",
        "--enable_batching",
        "--prefer_tflite_model=false",
        "--file_system_poll_wait_seconds=2",
        path=str(tmp_path),
    )
    assert done.returncode == 7, done.stderr
    assert sorted(json.loads(done.stdout)) == [
        "--enable_batching=true",
        "--file_system_poll_wait_seconds=2",
        "--model_base_path=/models/mlm",
        "--model_name=mlm",
        "--prefer_tflite_model=false",
        "--rest_api_port=8501",
    ]


def test_start_failures_exit_with_1(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    done = tfmlm(
        "serve",
        f"--model_base_path={tmp_path}",
        "--max_num_load_retries=0",
        "--port=0",
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("tfmlm serve: error: the models cannot be served: 1 model(s) did not")
