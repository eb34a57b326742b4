from __future__ import annotations

import asyncio
import os
import threading

import pytest

from tfmlm.client.background import BackgroundLoop


def test_results_and_errors_come_back_from_another_thread() -> None:
    background = BackgroundLoop()

    async def thread() -> int:
        return threading.get_ident()

    async def fails() -> None:
        raise ValueError("so")

    assert background.run(thread()) != threading.get_ident()
    with pytest.raises(ValueError, match="so"):
        background.run(fails())
    background.close()
    assert not background._thread.is_alive()


def test_a_child_process_makes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    background = BackgroundLoop()
    assert background.is_of_this_process
    own = os.getpid()
    with monkeypatch.context() as change:
        change.setattr(os, "getpid", lambda: own + 1)
        assert not background.is_of_this_process
        background.close()  # not its thread
    assert background.run(asyncio.sleep(0, "still runs")) == "still runs"
    background.close()
