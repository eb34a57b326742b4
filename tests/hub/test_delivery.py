"""Attempts, backoff and timeouts; the worker process."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.hub.small import TOKEN
from tfmlm.hub.delivery import Backoff, Target, deliver, run_worker
from tfmlm.hub.remote import HubFailure, PushReport

DONE = PushReport("commit")


class Attempts:
    """A push that fails with the given kinds first, and does not really wait."""

    def __init__(self, *kinds: str, wait: float = 0.0) -> None:
        self.left = list(kinds)
        self.count = 0
        self.waits: list[float] = []
        self.wait = wait

    def push(self, moved) -> PushReport:
        self.count += 1
        if self.left:
            raise HubFailure(self.left.pop(0), "no", self.wait)
        return DONE

    def pause(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return True

    def deliver(
        self, attempts: int = 5, timeout: float = 1000.0, longest: float = 60
    ) -> PushReport:
        return deliver(self.push, timeout, Backoff(attempts, 1.0, longest), pause=self.pause)


def test_waits_double_up_to_the_longest():
    attempts = Attempts(*["server"] * 7)
    assert attempts.deliver(attempts=8, longest=8) is DONE
    for wait, full in zip(attempts.waits, [1, 2, 4, 8, 8, 8, 8], strict=True):
        assert 0.75 * full <= wait <= full


def test_a_permanent_failure_ends_it():
    for kind in ("token", "permission", "not_found", "rejected", "setting"):
        attempts = Attempts(kind)
        with pytest.raises(HubFailure):
            attempts.deliver()
        assert attempts.count == 1


def test_the_number_of_attempts_ends_it():
    attempts = Attempts(*["unreachable"] * 9)
    with pytest.raises(HubFailure):
        attempts.deliver(attempts=4)
    assert attempts.count == 4


def test_no_movement_for_the_timeout_ends_it():
    attempts = Attempts(*["unreachable"] * 99)
    with pytest.raises(HubFailure):
        attempts.deliver(attempts=100, timeout=3.0)  # the third wait would end after it
    assert attempts.count in (2, 3)


def test_movement_starts_the_timeout_anew():
    attempts = Attempts(*["unreachable"] * 6)

    def push(moved):
        time.sleep(0.2)
        moved(1)
        return attempts.push(moved)

    assert deliver(push, 0.5, Backoff(9, 0.05, 0.05), pause=attempts.pause) is DONE


def test_the_hubs_own_wait_is_kept():
    attempts = Attempts("server", wait=30.0)
    attempts.deliver()
    assert attempts.waits == [30.0]


def test_a_pause_that_says_no_ends_it():
    attempts = Attempts("server")
    with pytest.raises(HubFailure):
        deliver(attempts.push, 1000, Backoff(), pause=lambda seconds: False)
    assert attempts.count == 1


def test_a_target_does_not_show_its_token():
    assert TOKEN not in repr(Target("http://hub", "ada/model", TOKEN))


def processes_at(hub) -> dict[int, str]:
    """Other processes whose command line or environment names this Hub: both, by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
        except OSError:
            continue
        if hub.url.encode() in line and int(process.name) != os.getpid():
            found[int(process.name)] = line.decode("utf-8", "replace")
    return found


def request(hub, **values):
    return {
        "action": "check",
        "endpoint": hub.url,
        "repo_id": "ada/model",
        "token": TOKEN,
        "branch": "main",
        "private": None,
        **values,
    }


def test_a_hanging_worker_is_killed_and_its_command_line_holds_no_token(hub):
    hub.fault("whoami", "freeze")
    found: dict[int, str] = {}
    with pytest.raises(HubFailure, match="did not answer for 1 s") as caught:
        run_worker(request(hub), timeout=1.0, moved=lambda sent: found.update(processes_at(hub)))
    assert caught.value.kind == "stalled"
    assert "tfmlm.hub.worker" in "".join(found.values())
    assert not any(TOKEN in text for text in found.values())
    assert processes_at(hub) == {}


def test_a_push_over_the_hard_limit_is_ended(hub):
    hub.fault("whoami", "freeze")
    with pytest.raises(HubFailure, match=r"took over 1\.5 s"):
        run_worker(request(hub), timeout=100.0, hard_limit=1.5)


def test_a_worker_that_cannot_run_is_said(hub, monkeypatch):
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with pytest.raises(HubFailure, match=r"ended early \(exit 1\)"):
        run_worker(request(hub), timeout=60.0)
