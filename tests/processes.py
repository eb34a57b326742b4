"""Starts Python processes of the tests, most of them by a fork of a process that is warm.

A process that imports TensorFlow and transformers computes for about four seconds before it does
anything; a run of the tests would spend minutes on that. `start` and `run` take what
`subprocess.Popen` and `subprocess.run` take and give what these give. A `python -m …`,
`python -c …` or `python file.py` of this interpreter is forked from `tests.fork_server`, a process
of the same environment that has imported these libraries and has done nothing with them. It is a
process like others: a child of this one, with its own arguments, folder, environment, standard
streams, exit code and end by a signal.

Real processes remain
  * the first one of every environment: values that libraries read while they are imported (`TF_*`,
    `HF_*`, …) are those of a server, so an environment with others needs a server of its own, which
    only its second process pays for;
  * those with other flags of Python's, and whatever `subprocess` starts: tests of what is imported
    when, of memory, of the installed console script, of limits that a shell sets.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

#: What libraries do not read while they are imported: these may differ from the server's.
READ_LATE = ("TF_CONFIG", "SLURM_", "TFMLM_", "PYTEST_", "PATH", "PWD", "OLDPWD", "SHLVL", "_")
_MOST_SERVERS = 3
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def start(command: Sequence[Any], **options: Any) -> subprocess.Popen[Any]:
    """Starts a command, as `subprocess.Popen` does.

    Args:
        command: the program and its arguments.
        options: of `subprocess.Popen`.
    """
    words = [os.fspath(word) for word in command]
    environment = {**(options.get("env") or os.environ)}
    server = None
    if _can_be_forked(words, options):
        server = _server_for(environment)
    if server is None:
        return subprocess.Popen(words, **options)
    return _Forked(words, server=server, **options)


def run(
    command: Sequence[Any],
    *,
    capture_output: bool = False,
    check: bool = False,
    input: Any = None,
    timeout: float | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Runs a command to its end, as `subprocess.run` does."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with start(command, **options) as process:
        try:
            out, errors = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, errors)
    if check:
        done.check_returncode()
    return done


def _can_be_forked(words: list[str], options: Mapping[str, Any]) -> bool:
    if words[0] != sys.executable or len(words) < 2:
        return False
    streams = {"stdin", "stdout", "stderr", "text", "encoding", "errors", "bufsize"}
    if set(options) - streams - {"cwd", "env"}:
        return False
    if words[1] in ("-m", "-c"):
        return len(words) > 2
    return words[1].endswith(".py")


def _read_early(environment: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The part of an environment that a server has to have in common with its processes."""
    late = tuple(name for name in READ_LATE if name.endswith("_") and name != "_")
    exact = set(READ_LATE) - set(late)
    return frozenset(
        (name, value)
        for name, value in environment.items()
        if name not in exact and not name.startswith(late)
    )


class _Server:
    """A warm process and the socket by which it is asked to fork."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        if self._socket.recv(16) != b"ready":
            raise RuntimeError("the fork server did not start; it says above why")

    def fork(self, job: dict[str, Any], streams: list[int]) -> int:
        """Starts a process with these standard streams; returns its id."""
        # The server forks twice and the process in between ends: as a reaper of orphans for this
        # moment, this process becomes the parent, to which exit code and signals go.
        reaper = ctypes.CDLL(None, use_errno=True).prctl
        if reaper(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        try:
            with memoryview(json.dumps(job).encode()) as text:
                size = len(text).to_bytes(8, "little")
                rights = array.array("i", streams)
                self._socket.sendmsg(
                    [size], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights.tobytes())]
                )
                for begin in range(0, len(text), 65536):
                    self._socket.sendall(text[begin : begin + 65536])
            answer = self._socket.recv(64)
        finally:
            reaper(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        if not answer:
            raise RuntimeError("the fork server has ended")
        return int(answer)

    def close(self) -> None:
        self._socket.close()
        self._process.wait(60)


_servers: dict[frozenset[tuple[str, str]], _Server | None] = {}


def _server_for(environment: Mapping[str, str]) -> _Server | None:
    """The server of an environment; none for the first process of it."""
    key = _read_early(environment)
    if key not in _servers:
        _servers[key] = None
        return None
    if _servers[key] is None:
        running = [other for other, server in _servers.items() if server is not None]
        if len(running) == _MOST_SERVERS:
            oldest = _servers.pop(running[0])
            assert oldest is not None
            oldest.close()
        _servers[key] = _Server(environment)
    return _servers[key]


@atexit.register
def close_servers() -> None:
    """Ends the servers."""
    for server in _servers.values():
        if server is not None:
            server.close()
    _servers.clear()


class _Forked(subprocess.Popen):
    """A process that a server forks; all but the start is the parent's."""

    def __init__(self, words: list[str], *, server: _Server, **options: Any) -> None:
        self._server = server
        super().__init__(words, **options)

    def _execute_child(self, *given: Any) -> None:
        call = inspect.signature(subprocess.Popen._execute_child).bind(self, *given).arguments
        asked = [call[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        streams = [number if ours == -1 else ours for number, ours in enumerate(asked)]
        cwd, environment = call["cwd"], call["env"]
        job = {
            "arguments": call["args"][1:],
            "cwd": os.fspath(Path.cwd() if cwd is None else cwd),
            "environment": dict(os.environ if environment is None else environment),
            "umask": _umask(),
        }
        try:
            self.pid = self._server.fork(job, streams)
            self._child_created = True
        finally:
            pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(call[name] for name in pipes))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
