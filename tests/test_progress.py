"""Progress: a bar on a terminal, plain lines elsewhere, never both at once."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from tfmlm.progress import Bar, figures_line, say

SCRIPT = """
import time
from tfmlm.progress import Bar, say
with Bar("Training", 300, "steps", done=100) as bar:
    bar.update(120, loss="3.1402", lr="5.00e-05")
    time.sleep(0.25)
    bar.update(150, loss="3.0001")
    say("  step 150: held-out loss 3.1")
    bar.add(150, **{"tokens/s": "12,345"})
say("done")
"""


def _on_terminal(script: str) -> str:
    """What a process writes to a terminal, without colours."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stderr=follower, stdout=follower, env=environment
    ) as process:
        os.close(follower)
        written = b""
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            written += data
    os.close(leader)
    assert process.returncode == 0, written
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.decode())


def test_a_terminal_shows_one_bar_and_lines_above_it() -> None:
    written = _on_terminal(SCRIPT)
    assert "150/300 steps" in written
    assert "loss 3.0001  lr 5.00e-05" in written
    last = [line for line in written.splitlines() if "300/300 steps" in line][-1]
    assert "12,345 tokens/s" in last
    lines = [line.strip() for line in written.splitlines()]
    assert "step 150: held-out loss 3.1" in lines
    assert lines[-1] == "done"


def test_elsewhere_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("Tokenizing", unit="texts") as bar:
        bar.add(10, tokens="99")
        say("a line")
    captured = capsys.readouterr()
    assert not bar.shown
    assert (captured.out, captured.err) == ("", "a line\n")


def test_figures_stand_before_or_behind_their_names() -> None:
    assert figures_line({"loss": "3.1", "tokens/s": "12,345"}) == "loss 3.1  12,345 tokens/s"
