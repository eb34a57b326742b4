"""Run as a process: has imported what `tfmlm` imports, and forks for each command (`processes.py`).

python -m tests.fork_server SOCKET

A fork copies the thread that forks and no other, so nothing may have started any: no TensorFlow
context, no pool of tokenizers', Arrow's or gRPC's. Checked before the first fork. OpenBLAS and
jemalloc start threads when they are loaded, and end and restart them around a fork by handlers of
their own.
"""

from __future__ import annotations

import array
import gc
import json
import os
import runpy
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

MODULES = (
    "tfmlm.cli.batch",
    "tfmlm.cli.demo",
    "tfmlm.cli.evaluate",
    "tfmlm.cli.export",
    "tfmlm.cli.fill",
    "tfmlm.cli.score",
    "tfmlm.cli.serve",
    "tfmlm.cli.train",
    "tfmlm.architectures.modernbert",
    "tfmlm.checkpoint.load",
    "tfmlm.export",
    "tfmlm.serve",
    "tfmlm.training",
    "datasets",
)


def _threads() -> list[str]:
    tasks = Path("/proc/self/task").iterdir()
    return sorted((task / "comm").read_text().strip() for task in tasks)


def warm() -> None:
    """Imports; raises RuntimeError if that has left threads that do not live through a fork."""
    import importlib

    import numpy  # noqa: F401  (OpenBLAS)

    known = [*_threads(), "jemalloc_bg_thd"]
    import tfmlm  # noqa: F401  (before TensorFlow)
    from tfmlm._quiet import stderr_held_back

    with stderr_held_back():
        import tensorflow as tf
        import transformers

        assert tf.keras.Model
        for name in ("TFAutoModelForMaskedLM", "TFBertForMaskedLM", "TFRobertaForMaskedLM"):
            assert getattr(transformers, name)
        assert transformers.AutoTokenizer
        for name in MODULES:
            importlib.import_module(name)
    others = _threads()
    for name in known:
        if name in others:
            others.remove(name)
    if others or threading.active_count() != 1:
        raise RuntimeError(f"threads after the imports, which a fork would lose: {others}")
    gc.collect()
    gc.freeze()  # or collections would copy the pages that processes share
    gc.set_threshold(50_000, 20, 50)  # as in `conftest.py`


def serve(requests: socket.socket) -> dict[str, Any]:
    """Forks for each request; returns in the new process, with what it is to do."""
    parent = os.getppid()
    while True:
        size, rights, _, _ = requests.recvmsg(8, socket.CMSG_SPACE(3 * 4))
        if not size:
            sys.exit(0)
        streams = array.array("i")
        for _, _, data in rights:
            streams.frombytes(data)
        length, text = int.from_bytes(size, "little"), b""
        while len(text) < length:
            text += requests.recv(65536)
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork() != 0:
                os._exit(0)
            while os.getppid() == between:  # until that one has ended
                time.sleep(0.0005)
            if os.getppid() != parent:
                os._exit(1)
            requests.send(str(os.getpid()).encode())
            requests.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            for stream in streams:
                os.close(stream)
            return json.loads(text)
        for stream in streams:
            os.close(stream)
        os.waitpid(between, 0)


def become(job: dict[str, Any]) -> None:
    """Is `python ARGUMENTS` in the folder and environment of the job."""
    import random

    import numpy as np

    os.environ.clear()
    os.environ.update(job["environment"])
    os.umask(job["umask"])
    os.chdir(job["cwd"])
    random.seed()
    np.random.seed()
    kind, *arguments = job["arguments"]
    if kind == "-m":
        sys.argv = arguments
        sys.path[0] = str(Path.cwd())
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *arguments[1:]]
        sys.path[0] = ""
        main = sys.modules["__main__"].__dict__
        for name in [name for name in main if not name.startswith("__")]:
            del main[name]
        main.update(__spec__=None, __file__=None)
        del main["__file__"]
        exec(compile(arguments[0], "<string>", "exec"), main)
    else:
        sys.argv = [kind, *arguments]
        sys.path[0] = str(Path(kind).resolve().parent)
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        warm()
        connection.send(b"ready")
        job = serve(connection)
    become(job)
