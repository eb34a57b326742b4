"""What is shared between workers is made once, whoever asks, and again after a failure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import shared

WORKER = """
import sys, time
from tests.shared import made_once
def make(folder):
    time.sleep(0.3)
    (folder / "by").open("a").write(sys.argv[1])
print((made_once("thing", make) / "by").read_text())
"""


def test_two_processes_get_one_thing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(shared.FOLDER, str(tmp_path))
    running = [
        subprocess.Popen([sys.executable, "-c", WORKER, name], stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert said[0] == said[1]
    assert said[0] in ("a\n", "b\n")


def test_what_failed_is_made_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shared, "run_folder", lambda: tmp_path)

    def fails(folder):
        (folder / "half").touch()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        shared.made_once("thing", fails)
    folder = shared.made_once("thing", lambda made: (made / "whole").touch())
    assert [entry.name for entry in folder.iterdir()] == ["whole"]
