"""The token is nowhere: not in files, logs, output, exceptions or what was pushed."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tests.hub.small import TOKEN
from tfmlm.errors import TfmlmError
from tfmlm.hub.delivery import Backoff
from tfmlm.hub.push import push_folder


def holding(*places: Path) -> list[str]:
    """Files that hold the token."""
    return [
        str(path)
        for place in places
        for path in place.rglob("*")
        if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]


def test_the_search_finds_a_token(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_text(f"x{TOKEN}y")
    assert len(holding(tmp_path)) == 1


@pytest.mark.parametrize(
    ("step", "kind", "status"),
    [
        (None, "", 0),
        ("whoami", "status", 401),
        ("whoami", "drop", 0),
        ("git_refs", "status", 403),
        ("lfs_batch", "status", 400),
        ("lfs_put", "status", 403),
        ("commit", "status", 401),
    ],
)
def test_no_trace_of_the_token(hub, folder, tmp_path, monkeypatch, step, kind, status):
    monkeypatch.setenv("HF_DEBUG", "1")
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    if step:
        hub.fault(step, kind, times=100, status=status, message=f"{TOKEN} was sent")
    try:
        push_folder(folder, "ada/model", backoff=Backoff(2, 0.05), hub_timeout=30)
    except TfmlmError as error:
        assert step
        said.write(str(error) + repr(error) + traceback.format_exc())
    else:
        assert step is None
        assert not any(TOKEN.encode() in c for c in hub.content("ada/model").values())
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert said.getvalue() or step is None
    assert TOKEN not in said.getvalue()
    assert holding(folder, tmp_path / "home") == []


def test_the_command_line_keeps_it_to_itself(hub, folder, tmp_path):
    for arguments in (["--hub_token", TOKEN], ["--hub_token", TOKEN, "--debug"], ["--verbose"]):
        for message in ("", f"{TOKEN} is wrong"):
            hub.faults.clear()
            if message:
                hub.fault("commit", "status", times=100, status=403, message=message)
                (folder / "eval_results.json").write_text(repr(arguments))
            done = subprocess.run(
                [sys.executable, "-m", "tfmlm", "push", folder, *arguments, "--json"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == (3 if message and "--debug" not in arguments else 0) or (
                done.returncode == 1 and "--debug" in arguments
            )
            assert TOKEN not in done.stdout + done.stderr
    assert holding(folder, tmp_path / "home") == []
