"""An event loop in a thread of its own, so that synchronous calls have an asynchronous core."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines for callers that are not asynchronous; many threads may call at once."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        # a client that was never closed is not worth a message when Python ends
        self._loop.set_exception_handler(lambda *_: None)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tfmlm-client", daemon=True
        )
        self._thread.start()

    @property
    def is_of_this_process(self) -> bool:
        """False in a child of `os.fork`, which has the object but not the thread."""
        return self._process == os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; an interruption, such as Ctrl-C, cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends the thread."""
        if self.is_of_this_process:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
