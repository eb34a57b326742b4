"""The thread that pushes beside training: one at a time, the newest of what waits."""

from __future__ import annotations

import threading
from pathlib import Path

from tfmlm.files import TemporaryFolder
from tfmlm.hub.background import BackgroundPusher
from tfmlm.hub.delivery import Backoff
from tfmlm.hub.folder import Snapshot
from tfmlm.hub.remote import HubFailure, PushReport

QUICK = Backoff(3, 0.01, 0.01)


class Hub:
    """Attempts that wait for `go`, and fail as told."""

    def __init__(self, failures: int = 0, **report) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.messages: list[str] = []
        self.failures = failures
        self.report = PushReport("commit", **report)

    def attempt(self, copy: Snapshot, message: str, moved) -> PushReport:
        self.messages.append(message)
        self.begun.set()
        self.go.wait(20)
        if self.failures:
            self.failures -= 1
            raise HubFailure("server", "broken")
        return self.report


def snapshot(folder: Path) -> Snapshot:
    copy = TemporaryFolder(folder.parent)
    copy.path = copy.path.rename(folder)
    return Snapshot((), copy)


def test_of_what_waits_only_the_newest_is_pushed_and_copies_go(tmp_path):
    hub = Hub()
    pusher = BackgroundPusher(hub.attempt, 100, QUICK)
    pusher.submit(snapshot(tmp_path / "1"), "one")
    assert hub.begun.wait(20)
    pusher.submit(snapshot(tmp_path / "2"), "two")
    last = pusher.submit(snapshot(tmp_path / "3"), "three")
    assert pusher.busy and not (tmp_path / "2").exists() and (tmp_path / "1").exists()
    hub.go.set()
    pusher.wait()
    assert hub.messages == ["one", "three"]
    assert pusher.arrived == last == 3 and not pusher.busy
    assert list(tmp_path.iterdir()) == []


def test_a_failed_push_is_repeated(tmp_path):
    hub = Hub(failures=2)
    hub.go.set()
    pusher = BackgroundPusher(hub.attempt, 100, QUICK)
    pusher.submit(snapshot(tmp_path / "1"), "one")
    pusher.wait()
    assert hub.messages == ["one"] * 3 and pusher.arrived == 1 and pusher.failure is None


def test_a_push_given_up_is_known_and_the_next_one_may_arrive(tmp_path, caplog):
    hub = Hub(failures=3)
    hub.go.set()
    pusher = BackgroundPusher(hub.attempt, 100, QUICK)
    pusher.submit(snapshot(tmp_path / "1"), "one")
    pusher.wait()
    assert pusher.arrived == 0 and pusher.failure is not None
    assert "push given up for now: broken; training goes on" in caplog.text
    pusher.submit(snapshot(tmp_path / "2"), "two")
    pusher.wait()
    assert pusher.arrived == 2 and pusher.failure is None


def test_a_newer_one_ends_the_wait_before_the_next_attempt(tmp_path):
    hub = Hub(failures=1)
    pusher = BackgroundPusher(hub.attempt, 10_000, Backoff(5, 300, 300))
    pusher.submit(snapshot(tmp_path / "1"), "one")
    assert hub.begun.wait(20)
    hub.go.set()
    pusher.submit(snapshot(tmp_path / "2"), "two")
    pusher.wait()
    assert hub.messages == ["one", "two"] and pusher.arrived == 2


def test_something_missing_is_not_arrived(tmp_path):
    hub = Hub(missing={"README.md": "refused"})
    hub.go.set()
    pusher = BackgroundPusher(hub.attempt, 100, QUICK)
    pusher.submit(snapshot(tmp_path / "1"), "one")
    pusher.wait()
    assert pusher.arrived == 0 and pusher.report is hub.report


def test_an_unexpected_error_does_not_end_the_thread_and_hides_the_token(tmp_path, caplog):
    def attempt(copy, message, moved):
        raise OSError("no space for hf_TokenTokenToken12345")

    pusher = BackgroundPusher(attempt, 100, QUICK, "hf_TokenTokenToken12345")
    for number in (1, 2):
        pusher.submit(snapshot(tmp_path / str(number)), "one")
        pusher.wait()
    assert pusher.failure is not None and "no space for <token>" in pusher.failure.message
    assert "hf_Token" not in caplog.text and list(tmp_path.iterdir()) == []


def test_what_was_closed_is_opened_again_and_pushes_one_at_a_time(tmp_path):
    hub = Hub()
    pusher = BackgroundPusher(hub.attempt, 100, QUICK)
    pusher.submit(snapshot(tmp_path / "1"), "one")
    assert hub.begun.wait(20)
    pusher.close()
    pusher.submit(snapshot(tmp_path / "2"), "two")  # while the first still runs
    assert hub.messages == ["one"]
    hub.go.set()
    pusher.wait()
    pusher.close()
    pusher.submit(snapshot(tmp_path / "3"), "three")  # when the thread has ended, or ends
    pusher.wait()
    assert hub.messages == ["one", "two", "three"] and pusher.arrived == 3
    assert list(tmp_path.iterdir()) == []


def test_close_drops_what_waits(tmp_path):
    hub = Hub()
    pusher = BackgroundPusher(hub.attempt, 100, QUICK)
    pusher.submit(snapshot(tmp_path / "1"), "one")
    assert hub.begun.wait(20)
    pusher.submit(snapshot(tmp_path / "2"), "two")
    pusher.close()
    hub.go.set()
    pusher.wait()
    assert hub.messages == ["one"] and list(tmp_path.iterdir()) == []
