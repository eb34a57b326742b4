"""Runs the worker process: one attempt with a timeout, or attempts with backoff."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tfmlm
from tfmlm.backoff import pause_before_next
from tfmlm.errors import UserError
from tfmlm.hub.folder import LocalFile
from tfmlm.hub.remote import DEFAULT_BRANCH, HubFailure, LastPush, PushReport
from tfmlm.redaction import one_line, redact

# One attempt may take this long even while bytes move: a Hub that trickles is given up, too.
HARD_LIMIT = 6 * 3600.0
CHECK_TIMEOUT = 60.0
_START_LIMIT = 120.0
_NEVER_INHERITED = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_DEBUG", "HF_HUB_ENABLE_HF_TRANSFER")
_ON = ("1", "ON", "YES", "TRUE")


@dataclass(frozen=True)
class Backoff:
    """How failed attempts are repeated.

    Attributes:
        attempts: at most so many.
        first, longest: seconds before the second attempt, and at most before any.
    """

    attempts: int = 8
    first: float = 1.0
    longest: float = 60.0

    def wait(self, attempt: int) -> float:
        """Seconds after failed attempt number `attempt` (from 1)."""
        return pause_before_next(attempt, self.first, self.longest)


@dataclass(frozen=True)
class Target:
    """Where to push, as `check` settled it. The token is not shown."""

    endpoint: str
    repo_id: str
    token: str = field(repr=False)
    branch: str = DEFAULT_BRANCH

    @property
    def url(self) -> str:
        return f"{self.endpoint}/{self.repo_id}"


def endpoint_in_use() -> str:
    """The Hub's address: `HF_ENDPOINT`, else huggingface.co."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def find_token(token: str | None) -> str:
    """The token to use: the given one, `HF_TOKEN`, or that of `hf auth login`.

    Raises:
        UserError: there is none, or it is not one.
    """
    if token is None:
        from huggingface_hub import get_token

        token = get_token()
    token = (token or "").strip()
    if not token:
        raise UserError(
            "no token for the Hub: log in with `hf auth login`, or set HF_TOKEN; it needs write "
            "permission"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UserError("the token for the Hub holds characters that no token has; copy it again")
    return token


def check_target(
    name: str,
    token: str,
    *,
    private: bool | None = None,
    branch: str = DEFAULT_BRANCH,
    timeout: float = CHECK_TIMEOUT,
) -> Target:
    """Proves that we can push, and creates the repository and the branch where they are missing.

    Raises:
        HubFailure: one line that says what is wrong and what to do.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    endpoint = endpoint_in_use()
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in _ON:
            raise HubFailure("setting", f"{variable} is set, so nothing can be pushed; unset it")
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise HubFailure("setting", f"hub_model_id: {one_line(str(error))}") from None
    timeout = min(timeout, CHECK_TIMEOUT)
    request = {
        "action": "check",
        "endpoint": endpoint,
        "repo_id": name,
        "token": token,
        "branch": branch,
        "private": private,
    }
    backoff = Backoff(attempts=3)
    for attempt in range(1, backoff.attempts + 1):
        try:
            answer = run_worker(request, timeout)
            return Target(endpoint, answer["repo_id"], token, branch)
        except HubFailure as failure:
            again = failure.kind == "server" and attempt < backoff.attempts
            if not again:
                raise
            time.sleep(max(backoff.wait(attempt), min(failure.wait, timeout)))
    raise AssertionError("unreachable")


def attempt_push(
    target: Target,
    files: tuple[LocalFile, ...],
    message: str,
    last: LastPush | None,
    timeout: float,
    moved: Callable[[int], None] = lambda sent: None,
) -> PushReport:
    """One push and the comparison of the remote head with `files`.

    Args:
        timeout: seconds without any movement after which the Hub is given up.
        moved: is told the bytes sent so far.

    Raises:
        HubFailure: nothing was delivered, or it is not known.
    """
    request = {
        "action": "push",
        "endpoint": target.endpoint,
        "repo_id": target.repo_id,
        "token": target.token,
        "branch": target.branch,
        "files": [file.as_dict() for file in files],
        "message": message,
        "last": {"commit": last.commit, "names": dict(last.names)} if last else None,
    }
    answer = run_worker(request, timeout, moved)
    lists = {key: tuple(answer[key]) for key in ("sent", "kept", "replaced")}
    return PushReport(answer["commit"], answer["names"], missing=answer["missing"], **lists)


def run_worker(
    request: Mapping[str, Any],
    timeout: float,
    moved: Callable[[int], None] = lambda sent: None,
    hard_limit: float = HARD_LIMIT,
) -> dict[str, Any]:
    """Runs one request in a worker process, and kills it when nothing moves any more.

    Raises:
        HubFailure: what the worker reports; `stalled` after `timeout` seconds without movement.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tfmlm.hub.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(request["endpoint"]),
            start_new_session=True,
        )
        try:
            answer = _converse(process, request, timeout, moved, hard_limit)
            process.wait(timeout=30)
        finally:
            _kill(process)
        if answer is None:
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip().splitlines()
            reason = redact(said[-1] if said else f"exit {process.returncode}", request["token"])
            raise HubFailure("server", f"the push process ended early ({one_line(reason)})")
    if "failed" in answer:
        raise HubFailure(**answer["failed"])
    return answer["ok"]


def _converse(
    process: subprocess.Popen[bytes],
    request: Mapping[str, Any],
    timeout: float,
    moved: Callable[[int], None],
    hard_limit: float,
) -> dict[str, Any] | None:
    assert process.stdin is not None and process.stdout is not None
    asked = {**request, "timeout": timeout + 5, "hard_limit": hard_limit + 60}
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
    end = time.monotonic() + hard_limit
    patience = max(timeout, _START_LIMIT)  # until the process is up: that is not the Hub's time
    buffer = b""
    while True:
        # No thread reads: Python starts none while the process ends, and pushes go on then.
        left = min(patience, max(end - time.monotonic(), 0.01))
        if not select.select([process.stdout], [], [], left)[0]:
            if time.monotonic() >= end:
                raise HubFailure("stalled", f"the push took over {hard_limit:g} s")
            raise HubFailure(
                "stalled", f"the Hub at {request['endpoint']} did not answer for {timeout:g} s"
            )
        piece = os.read(process.stdout.fileno(), 1 << 16)
        if not piece:
            return None
        patience = timeout
        *lines, buffer = (buffer + piece).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "moved" not in said:
                return said
            moved(said["moved"])


def _environment(endpoint: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in _NEVER_INHERITED}
    package = Path(tfmlm.__file__).resolve().parents[1]
    if package.name not in ("site-packages", "dist-packages"):  # a source tree on sys.path
        paths = (str(package), os.environ.get("PYTHONPATH"))
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {
        **kept,
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Xet's uploads run outside of Python and do not tell how far they are, so that a slow one
        # could not be told from a hanging one; the Hub takes LFS uploads for every repository.
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the worker and waits until it is gone."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def deliver(
    push: Callable[[Callable[[int], None]], PushReport],
    timeout: float,
    backoff: Backoff,
    *,
    pause: Callable[[float], bool],
    failed: Callable[[HubFailure, float], None] = lambda failure, wait: None,
    moved: Callable[[int], None] = lambda sent: None,
) -> PushReport:
    """Repeats `push` until it arrives or the Hub is given up.

    It is given up when an attempt failed for good, after `backoff.attempts`, or when nothing has
    moved for `timeout` seconds over all attempts.

    Args:
        push: one attempt; it is handed the function to tell bytes to.
        pause: waits so many seconds; False to stop trying (something newer is to be pushed).
        failed: is told of a failed attempt and the wait before the next.

    Raises:
        HubFailure: the last attempt's.
    """
    last_movement = time.monotonic()

    def noted(sent: int) -> None:
        nonlocal last_movement
        last_movement = time.monotonic()
        moved(sent)

    for attempt in range(1, backoff.attempts + 1):
        try:
            return push(noted)
        except HubFailure as failure:
            wait = max(backoff.wait(attempt), min(failure.wait, timeout))
            given_up = (
                failure.permanent
                or attempt == backoff.attempts
                or time.monotonic() + wait - last_movement > timeout
            )
            if given_up:
                raise
            failed(failure, wait)
            if not pause(wait):
                raise
    raise AssertionError("unreachable")
