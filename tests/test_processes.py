"""Processes that are forked are like those that are not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.processes import _Forked, run, start

FACTS = """
import json, os, random, sys, threading
import numpy as np
print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "name": __name__, "path": sys.path[0],
    "environment": dict(os.environ), "input": sys.stdin.read(), "parent": os.getppid(),
    "random": [random.random(), float(np.random.rand())], "threads": threading.active_count(),
    "files": sorted(os.listdir("/proc/self/fd")), "umask": os.umask(0),
}))
print("to stderr", file=sys.stderr)
"""
#: Of the process itself, or chance.
OWN = ("random",)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """The first process of an environment is a real one; those of these tests are not."""
    assert run([sys.executable, "-c", ""]).returncode == 0


def forked(command: list[str], **options: Any) -> subprocess.Popen:
    process = start(command, **options)
    assert isinstance(process, _Forked)
    return process


@pytest.mark.parametrize("way", ["-c", "-m", "file"])
def test_a_process_sees_what_a_real_one_sees(way: str, tmp_path: Path) -> None:
    (tmp_path / "facts.py").write_text(FACTS, encoding="utf-8")
    code = {"-c": ["-c", FACTS], "-m": ["-m", "facts"], "file": [str(tmp_path / "facts.py")]}[way]
    command = [sys.executable, *code, "a", "ü b"]
    options: dict[str, Any] = {
        "cwd": tmp_path,
        "env": {**os.environ, "TF_CONFIG": "{}"},
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    found = []
    for process in (forked(command, **options), subprocess.Popen(command, **options)):
        out, errors = process.communicate("given")
        assert process.returncode == 0, errors
        assert errors == "to stderr\n"
        found.append(json.loads(out))
    ours, real = ({k: v for k, v in facts.items() if k not in OWN} for facts in found)
    # What tfmlm sets when it is imported, which a real process has not done yet.
    assert real["environment"].items() <= ours["environment"].items()
    ours["environment"] = real["environment"]
    assert ours == real
    assert not set(found[0]["random"]) & set(found[1]["random"])


def test_no_two_draw_the_same_numbers() -> None:
    code = "import random, numpy; print(random.random(), numpy.random.rand())"
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
    drawn = [
        forked([sys.executable, "-c", code], **options).communicate()[0].split() for _ in range(2)
    ]
    assert not set(drawn[0]) & set(drawn[1])


@pytest.mark.parametrize(
    "code",
    [
        "",
        "import sys; sys.exit(7)",
        "raise ValueError('wrong')",
        "import atexit, os; atexit.register(os._exit, 9)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        # 0 where the tests' own starter ignores it, as nohup and shells' background do.
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
        "import ctypes; ctypes.string_at(0)",
    ],
)
def test_exit_codes_are_those_of_real_processes(code: str) -> None:
    command = [sys.executable, "-c", code]
    process = forked(command, stderr=subprocess.PIPE, text=True)
    _, errors = process.communicate()
    real = subprocess.run(command, stderr=subprocess.DEVNULL)
    assert process.returncode == real.returncode
    assert ("wrong" in errors) == ("wrong" in code)


def test_it_can_be_killed_and_leaves_nothing() -> None:
    code = "print('here', flush=True); import time; time.sleep(60)"
    process = forked([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "here\n"
    assert process.poll() is None
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    assert process.stdout.read() == ""
    assert not Path(f"/proc/{process.pid}").exists()


def test_orphans_of_others_are_not_kept() -> None:
    """This process takes on the forked one alone: others' orphans go where they always go."""
    code = "import os, sys, time; print(os.getpid(), flush=True)\nif os.fork(): sys.exit()\n"
    code += "while os.getppid() == int(sys.argv[1]): time.sleep(0.01)\nprint(os.getppid())"
    here = str(os.getpid())
    out = run([sys.executable, "-c", code, here], stdout=subprocess.PIPE, text=True).stdout
    assert out.splitlines()[-1] != here


def test_tensorflow_and_tokenizers_compute_in_it() -> None:
    code = """
import tfmlm
import tensorflow as tf
from tokenizers import Tokenizer, models
squared = tf.function(lambda x: tf.linalg.matmul(x, x))(tf.ones([300, 300]))
data = tf.data.Dataset.range(10).map(lambda x: x + 1, num_parallel_calls=4)
words = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
rows = words.encode_batch(["a"] * 5000)
print(float(squared[0, 0]), [int(x) for x in data], {row.ids[0] for row in rows})
"""
    process = forked([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=120)
    assert out.splitlines()[-1] == f"300.0 {list(range(1, 11))} {{0}}"


def test_other_values_that_libraries_read_early_are_a_real_processes() -> None:
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": str(time.time_ns())}
    process = start([sys.executable, "-c", ""], env=environment)
    assert process.wait() == 0
    assert not isinstance(process, _Forked)
    for command in ([sys.executable, "-X", "utf8", "-c", ""], ["true"]):
        process = start(command)
        assert process.wait() == 0
        assert not isinstance(process, _Forked)
