"""Connections of the REST interface: how many, from whom, and how long they may do nothing.

When there are too many, a new connection takes the place of one that keeps the server waiting: so
whoever opens connections and says nothing locks nobody out.
"""

from __future__ import annotations

import asyncio
import enum
import resource
import time
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from tfmlm.serve.minute_log import MinuteLog

#: Descriptors that are for files, models and all else, not for connections.
_OTHER_DESCRIPTORS = 256
#: Longest time that a client may take to read an answer, in seconds.
_WRITE_SECONDS = 30.0
#: A connection that has kept the server waiting for less than this is not at fault, in seconds.
_PATIENCE = 1.0


class Phase(enum.Enum):
    """What a connection is at."""

    HEAD = "no request has come yet"
    BODY = "a request's body is coming"
    WORK = "a request is being answered"
    WRITE = "an answer is being sent"
    IDLE = "the next request may come"


def connection_limit(wanted: int) -> int:
    """Connections of one interface: as many as wanted, if descriptors are left for the rest."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max((soft - _OTHER_DESCRIPTORS) // 2, soft // 8, 4))


class Connections:
    """The connections that there are.

    Args:
        total, per_peer: most connections, and most from one address.
        head_seconds: longest time from connecting to the end of the first request's head.
        log: for what is closed.
    """

    def __init__(self, *, total: int, per_peer: int, head_seconds: float, log: MinuteLog) -> None:
        self._total, self._per_peer, self._head_seconds = total, per_peer, head_seconds
        self.log = log
        self._all: set[Connection] = set()
        self._by_peer: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, new: Connection) -> bool:
        """Takes a new connection in, if need be in the place of another one."""
        for is_full, who in (
            (self._by_peer[new.peer] >= self._per_peer, new.peer),
            (len(self._all) >= self._total, None),
        ):
            if not is_full:
                continue
            self.log.add("too many connections, one is closed", f"the newest is from {new.peer}")
            waiting = self._most_waiting(who)
            if waiting is None:
                return False
            self.close(waiting)
        self._all.add(new)
        self._by_peer[new.peer] += 1
        return True

    def forget(self, connection: Connection) -> None:
        """Does not count a connection any more."""
        if connection in self._all:
            self._all.remove(connection)
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    def close(self, connection: Connection) -> None:
        """Ends a connection at once."""
        self.forget(connection)
        connection.abort()

    async def close_slow_ones(self) -> None:
        """Closes, until it is cancelled, what keeps the server waiting for too long."""
        while True:
            await asyncio.sleep(min(self._head_seconds / 4, 1.0))
            now = time.monotonic()
            limits = {Phase.HEAD: self._head_seconds, Phase.WRITE: _WRITE_SECONDS}
            for connection in list(self._all):
                limit = limits.get(connection.phase)
                if limit is not None and now - connection.since > limit:
                    what = f"{connection.peer}: {connection.phase.value}"
                    self.log.add("a slow connection is closed", what)
                    self.close(connection)

    def _most_waiting(self, peer: str | None) -> Connection | None:
        """The connection to close: one that makes the server wait, else the longest unused one."""
        now = time.monotonic()
        mine = [c for c in self._all if peer in (None, c.peer) and c.phase is not Phase.WORK]
        unused = [c for c in mine if c.phase is Phase.IDLE]
        waiting = [c for c in mine if c.phase is not Phase.IDLE]
        slow = [c for c in waiting if now - c.since > _PATIENCE]
        return min(slow or unused or waiting, key=lambda c: c.since, default=None)


class Connection(RequestHandler):
    """One connection, which says what it is at.

    Attributes:
        peer: the address of the other end.
        phase, since: what it is at, and since when (`time.monotonic()`).
    """

    def __init__(self, connections: Connections, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connections = connections
        self.peer = ""
        self.phase, self.since = Phase.HEAD, time.monotonic()

    def enter(self, phase: Phase) -> None:
        """Begins a phase."""
        self.phase, self.since = phase, time.monotonic()

    def abort(self) -> None:
        """Closes the connection; what was not sent yet is dropped."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if address else "?"
        if self._connections.admit(self):
            super().connection_made(transport)
        else:
            transport.abort()  # type: ignore[attr-defined]

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport is not None:  # None: it was not admitted
            super().data_received(data)

    async def finish_response(self, *args: Any, **options: Any) -> Any:
        self.enter(Phase.WRITE)
        result = await super().finish_response(*args, **options)
        self.enter(Phase.IDLE)
        return result

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):
            raise exc  # the client has gone: nobody is to be told
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        reason = (str(exc.message).splitlines() or [""])[0]
        self._connections.log.add("malformed HTTP", f"from {self.peer}: {reason}")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is sent already")
        response = web.Response(status=status, text=f"malformed HTTP: {reason[:200]}\n")
        response.force_close()
        return response


class RestServer(web.Server):
    """aiohttp's server, whose connections are counted."""

    def __init__(self, connections: Connections, handler: Any, **options: Any) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._counted = connections
        self._options = options

    def __call__(self) -> RequestHandler:
        return Connection(self._counted, self, loop=self._loop, **self._options)


def connection_of(request: web.BaseRequest) -> Connection:
    """The connection that a request came by."""
    connection = request.protocol
    assert isinstance(connection, Connection)
    return connection
