"""Runs the fenced blocks of a page of documentation, as a reader would in one folder.

Blocks marked `python` run in this process, one namespace for a page. Blocks marked `sh` run
command by command: `tfmlm` in this process, `tfmlm serve` as a server that lives until the end of
the page, everything else in bash. `python examples/….py` is left to tests/examples. Blocks marked
`js` run with Node.js. Other languages (text, json, yaml, …) are not run.

The comment `<!-- not run: needs … -->` before a fence keeps a block from running.

`localhost:8500` and `:8501` become free ports, those of the page's own server or of one for all
pages.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import start

#: A file in folders that the tests prepared, which a page's own training replaces.
PREPARED = ".prepared"
SHELL = ("sh", "bash", "shell", "console")
RUN = (*SHELL, "python", "js")
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+|~~~+) *(?P<language>[\w+-]*)[^\n`]*$")
_MARK = re.compile(r"<!-- not run: (?P<reason>.*?) -->")
#: Commands that a page shows but a test must not run: their block has to be marked.
_FOREIGN = re.compile(
    r"(?:^|[;&|]\s*)(?:sudo |)(?:docker|kubectl|pip|pip3|apt|apt-get|git|conda|uv|npm|helm)\b"
)
#: What a block without a language begins with if it is for a shell all the same.
_COMMAND = re.compile(r"(?:\$ )?(?:tfmlm|curl|python3?|pip3?|docker|tensorboard) ")
_SHELL_ONLY = re.compile(r"[$`|<>&;*?(){}~]|^\w+=")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, its language, its text, and why it is not run."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that are of a language that runs."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number, mark = 0, None
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if not fence:
            comment = _MARK.search(lines[number])
            if comment:
                mark = comment["reason"]
            elif lines[number].strip():
                mark = None
            number += 1
            continue
        start, indent = number, len(fence["indent"])
        number += 1
        body = []
        while lines[number].strip() != fence["fence"]:
            body.append(
                lines[number][indent:] if lines[number][:indent].isspace() else lines[number]
            )
            number += 1
        number += 1
        text = "\n".join(body) + "\n"
        language = fence["language"] or ("sh" if _COMMAND.match(text) else "")
        if language in RUN:
            found.append(Block(page, start + 1, language, text, mark))
        mark = None
    return found


def commands(text: str) -> list[str]:
    """The commands of a shell block: without comments, continued lines joined."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    lines = (line.removeprefix("$ ").strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


class Reader:
    """Somebody who types a page's blocks into one folder."""

    def __init__(self, folder: Path, shared_ports: Callable[[], dict[str, int]]) -> None:
        self.folder = folder
        self._shared_ports = shared_ports
        self._ports: dict[str, int] = {}
        self._servers: list[subprocess.Popen[str]] = []
        self._namespace: dict[str, Any] = {"__name__": "__main__"}
        self.examples: list[str] = []

    def run(self, block: Block) -> None:
        """Runs a block; raises with what it printed if it fails."""
        text = self._with_ports(block.text)
        if block.language == "python":
            code = compile("\n" * block.line + text, str(block.page), "exec")
            with inside(self.folder):
                exec(code, self._namespace)
        elif block.language == "js":
            (self.folder / "snippet.mjs").write_text(text, encoding="utf-8")
            self._bash("node snippet.mjs")
        elif all(re.match(r"(tfmlm|curl|python examples/)\b", c) for c in commands(text)):
            for command in commands(text):
                self._command(command)
        else:
            assert not _FOREIGN.search("\n".join(commands(text))), (
                f"{block.page.name}:{block.line} needs more than this folder; mark it with "
                "<!-- not run: needs … -->"
            )
            self._bash(text)

    def close(self) -> None:
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait(60)

    def _with_ports(self, text: str) -> str:
        if not re.search(r"\b850[01]\b", text):
            return text
        if re.search(r"^tfmlm serve\b", text, re.MULTILINE):
            self._ports = free_ports()
        ports = self._ports or self._shared_ports()
        for port, free in ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        return text

    def _command(self, command: str) -> None:
        if command.startswith("python examples/"):
            self.examples.append(command)
        elif command.startswith("tfmlm serve"):
            if "--rest_api_port" not in command:
                self._ports = self._ports or free_ports()
                command += f" --port={self._ports['8500']} --rest_api_port={self._ports['8501']}"
            self._servers.append(start_server(command, self.folder))
        elif command.startswith("tfmlm train ") and self._is_prepared(command):
            shutil.rmtree(self.folder / _output_dir(command))
            self._command(command)
        elif command.startswith("tfmlm ") and not _needs_a_shell(command):
            self._tfmlm(shlex.split(command)[1:], command)
        else:
            self._bash(command)

    def _is_prepared(self, command: str) -> bool:
        """Whether a run would write where the prepared material of that name still is."""
        folder = self.folder / _output_dir(command)
        return (folder / PREPARED).exists()

    def _tfmlm(self, arguments: list[str], command: str) -> None:
        from tfmlm.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        with (
            inside(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = main(arguments)
            except SystemExit as stop:  # --help, usage errors
                code = stop.code or 0  # type: ignore[assignment]
        assert code == 0, f"{command}\nexit code {code}\n{err.getvalue()[-2000:]}"

    def _bash(self, script: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=shell_environment(self.folder),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Changes the working directory for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _output_dir(command: str) -> str:
    found = re.search(r"--output_dir[ =](\S+)", command)
    return found[1] if found else ""


def _needs_a_shell(command: str) -> bool:
    """Whether a command has anything outside quotes that only a shell understands."""
    bare = re.sub(r"'[^']*'", "", command)
    if re.search(r'"[^"]*[$`][^"]*"', bare):
        return True
    return bool(_SHELL_ONLY.search(re.sub(r'"[^"]*"', "", bare)))


def shell_environment(folder: Path) -> dict[str, str]:
    """The environment of commands: `tfmlm` and `python` are these, HTTP errors are failures."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    scripts = {
        "tfmlm": f'exec {shlex.quote(sys.executable)} -m tfmlm "$@"',
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "curl": f'exec {shutil.which("curl")} --fail-with-body --max-time 60 "$@"',
    }
    for name, line in scripts.items():
        path = tools / name
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        path.chmod(0o755)
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}


def free_ports() -> dict[str, int]:
    """Free ports in place of those that the pages name."""
    import socket

    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return {"8500": one.getsockname()[1], "8501": two.getsockname()[1]}


def start_server(command: str, folder: Path) -> subprocess.Popen[str]:
    """Starts `tfmlm serve …` and returns when its models are loaded."""
    command = command.rstrip("& ")
    plain = command.replace('"$PWD', f'"{folder}')
    if _needs_a_shell(plain):
        words = ["bash", "-c", f"exec {command}"]
    else:
        words = [sys.executable, "-m", *shlex.split(plain)]
    server = start(
        words,
        cwd=folder,
        env=shell_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None and server.stderr is not None
    errors: list[str] = []
    reader = threading.Thread(target=errors.extend, args=(server.stderr,), daemon=True)
    reader.start()
    for line in server.stdout:
        if line.startswith(("stop with", "{")):
            return server
    server.wait(60)
    raise AssertionError(f"{command}\nexit code {server.returncode}\n{''.join(errors)[-2000:]}")
