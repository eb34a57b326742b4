"""The process that talks to the Hub: one request in, lines of JSON out, the token in none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.hub.small import TOKEN
from tests.hub_server import LoopbackHub
from tests.serve.fixtures import free_port
from tfmlm.hub.folder import identify


def work(endpoint: str, token: str = TOKEN, **request: Any) -> list[dict[str, Any]]:
    """The lines that the worker writes."""
    asked = {
        "endpoint": endpoint,
        "repo_id": "ada/model",
        "token": token,
        "branch": "main",
        "timeout": 10,
        "hard_limit": 60,
        **request,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tfmlm.hub.worker"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert token not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_check_and_a_push(hub: LoopbackHub, tmp_path: Path) -> None:
    first, *_, last = work(hub.url, action="check", private=None, repo_id="model")
    assert first == {"moved": 0}
    assert last == {"ok": {"repo_id": "ada/model"}}
    (tmp_path / "a.json").write_bytes(b'{"a": 1}')
    files = [identify("a.json", tmp_path / "a.json").as_dict()]
    *before, last = work(hub.url, action="push", files=files, message="one file", last=None)
    assert all(set(line) == {"moved"} for line in before)
    assert last["ok"]["sent"] == ["a.json"]
    assert hub.content("ada/model")["a.json"] == b'{"a": 1}'


def test_failures_are_told_by_their_kind(hub: LoopbackHub) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for endpoint, token, kind in (
        (nowhere, TOKEN, "unreachable"),
        (hub.url, "hf_AnotherSecretToken0123456789", "token"),
    ):
        *_, last = work(endpoint, token, action="check", private=None)
        assert list(last) == ["failed"]
        assert last["failed"]["kind"] == kind
        assert endpoint.split("//")[1] in last["failed"]["message"] or kind == "token"
