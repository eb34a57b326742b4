"""A log that strangers cannot fill: one line a minute of each kind."""

from __future__ import annotations

import logging
import threading
import time

SECONDS = 60.0


class MinuteLog:
    """Counts what happens and says it once a minute.

    Args:
        log: where lines go, as warnings.
        seconds: shortest time between two lines of a kind.
    """

    def __init__(self, log: logging.Logger, seconds: float = SECONDS) -> None:
        self._log = log
        self._seconds = seconds
        self._lock = threading.Lock()
        self._lines: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, example: str) -> None:
        """Counts one; `kind` is one of a few, `example` is what this one was."""
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            now = time.monotonic()
            if now - self._lines.get(kind, now - self._seconds) < self._seconds:
                return
            self._lines[kind] = now
            count, self._counts[kind] = self._counts[kind], 0
        shown = "".join(c if c.isprintable() else " " for c in example[:200])
        since = f" ({count} since the last such line)" if count > 1 else ""
        self._log.warning("%s%s: %s", kind, since, shown)
