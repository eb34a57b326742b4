"""Pushes beside training: one push at a time, and of what waits only the newest."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from tfmlm.hub.delivery import Backoff, deliver
from tfmlm.hub.folder import Snapshot
from tfmlm.hub.remote import HubFailure, PushReport
from tfmlm.redaction import redact

logger = logging.getLogger("tfmlm.hub")

# snapshot, commit message, tell-bytes → report
Attempt = Callable[[Snapshot, str, Callable[[int], None]], PushReport]


@dataclass
class Job:
    """A snapshot on its way.

    Attributes:
        number: 1 for the first one handed in.
    """

    number: int
    snapshot: Snapshot
    message: str


class BackgroundPusher:
    """A thread that pushes snapshots. `submit` and `wait` are for one other thread.

    Attributes:
        report: of the last push that arrived.
        arrived: number of the last job that arrived, whole; 0 if none did.
        failure: why the newest attempt failed; None after one that arrived.
    """

    def __init__(
        self, attempt: Attempt, timeout: float, backoff: Backoff, token: str | None = None
    ) -> None:
        self._attempt, self._timeout, self._backoff = attempt, timeout, backoff
        self._token = token
        self._changed = threading.Condition()
        self._waiting: Job | None = None
        self._running: Job | None = None
        self._closed = False
        self._submitted = 0
        self.report: PushReport | None = None
        self.arrived = 0
        self.failure: HubFailure | None = None
        self._thread: threading.Thread | None = None
        atexit.register(_close_at_exit, weakref.ref(self))

    def submit(self, snapshot: Snapshot, message: str) -> int:
        """Hands in a snapshot, which replaces one that still waits. Returns its number."""
        with self._changed:
            if self._waiting is not None:
                self._waiting.snapshot.delete()
            self._submitted += 1
            self._waiting = Job(self._submitted, snapshot, message)
            self._closed = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tfmlm-push", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return self._submitted

    @property
    def busy(self) -> bool:
        with self._changed:
            return self._running is not None or self._waiting is not None

    def wait(self) -> None:
        """Returns when nothing runs and nothing waits: everything arrived or was given up."""
        with self._changed:
            self._changed.wait_for(lambda: self._running is None and self._waiting is None)

    def close(self) -> None:
        """Drops what waits and ends the thread after the attempt that runs; `submit` reopens."""
        with self._changed:
            self._closed = True
            if self._waiting is not None:
                self._waiting.snapshot.delete()
                self._waiting = None
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._closed:
                    self._thread = None
                    return
                self._running, self._waiting = self._waiting, None
                job = self._running
            assert job is not None
            try:
                self._push(job)
            finally:
                job.snapshot.delete()
                with self._changed:
                    self._running = None
                    self._changed.notify_all()

    def _push(self, job: Job) -> None:
        try:
            report = deliver(
                lambda moved: self._attempt(job.snapshot, job.message, moved),
                self._timeout,
                self._backoff,
                pause=self._pause,
                failed=self._note,
            )
        except HubFailure as failure:
            self.failure = failure
            if not self._superseded():
                self._warn(f"push given up for now: {failure.message}; training goes on")
        except Exception as error:  # a bug or a full disk must not end the thread in silence
            text = redact(f"{type(error).__name__}: {error}", self._token)
            self.failure = HubFailure("rejected", text)
            self._warn(f"push failed: {text}; training goes on")
        else:
            self.report, self.failure = report, None
            if not report.missing:
                self.arrived = job.number

    def _superseded(self) -> bool:
        with self._changed:
            return self._waiting is not None or self._closed

    def _pause(self, seconds: float) -> bool:
        """Waits before the next attempt; False if something newer is to be pushed."""
        with self._changed:
            newer = self._changed.wait_for(
                lambda: self._waiting is not None or self._closed, timeout=seconds
            )
        return not newer

    def _note(self, failure: HubFailure, wait: float) -> None:
        self._warn(f"push failed ({failure.message}); next try in {wait:.0f} s, training goes on")

    def _warn(self, text: str) -> None:
        logger.warning(redact(text, self._token))


def _close_at_exit(reference: weakref.ref[BackgroundPusher]) -> None:
    pusher = reference()
    if pusher is not None:
        pusher.close()
