"""The first signal is noted, the second Ctrl-C interrupts, and handlers come back."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tfmlm.training.signals import StopSignals


def raised(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_handlers_come_back(number: int) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with StopSignals() as signals:
        assert signals.received is None
        raised(number)
        assert signals.received == number and signals.obeyed is False
        raised(signal.SIGTERM)  # asks again what is being done
        assert signals.received == signal.SIGTERM
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_second_interrupt_is_not_waited_for() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopSignals() as signals:
        raised(signal.SIGINT)
        raised(signal.SIGINT)
    assert signals.received == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) == before


def test_other_threads_leave_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    during = []

    def use() -> None:
        with StopSignals():
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert during == [before]
