"""SIGTERM (preemption) and Ctrl-C: finish the step, save, stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StopSignals:
    """While in use, the first SIGTERM or SIGINT is noted; a second SIGINT interrupts at once.

    Attributes:
        received: number of the signal, or None.
        obeyed: whether training was stopped because of it.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.obeyed = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
