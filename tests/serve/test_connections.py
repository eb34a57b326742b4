"""Who is closed when there are too many connections; real ones are in tests/attack."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from tfmlm.serve import connections as module
from tfmlm.serve.connections import Connections, Phase, connection_limit
from tfmlm.serve.minute_log import MinuteLog


class Place:
    """What `Connections` looks at of a connection."""

    def __init__(self, peer: str, phase: Phase, age: float) -> None:
        self.peer, self.phase, self.since = peer, phase, time.monotonic() - age
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def filled(*places: Place, total: int = 100, per_peer: int = 100) -> Connections:
    log = MinuteLog(logging.getLogger("test"))
    connections = Connections(total=total, per_peer=per_peer, head_seconds=10, log=log)
    for place in places:
        assert connections.admit(place)  # type: ignore[arg-type]
    return connections


def new(peer: str = "me") -> Any:
    return Place(peer, Phase.HEAD, 0)


def test_those_that_keep_the_server_waiting_go_first() -> None:
    places = [
        Place("a", Phase.WORK, 100),
        Place("a", Phase.IDLE, 90),
        Place("b", Phase.BODY, 20),
        Place("b", Phase.HEAD, 9),
        Place("b", Phase.WRITE, 5),
        Place("me", Phase.HEAD, 0.01),
    ]
    connections = filled(*places, total=6)
    closed = []
    for _ in range(5):
        # a newcomer at once begins to work, as one that is no attacker does
        one = new()
        assert connections.admit(one)
        one.phase = Phase.WORK
        closed += [p for p in places if p.aborted and p not in closed]
    assert closed == [places[2], places[3], places[4], places[1], places[5]]
    assert not connections.admit(new())  # all of them are at work
    assert len(connections) == 6


def test_a_peer_that_has_its_share_pushes_out_its_own() -> None:
    places = [Place("a", Phase.HEAD, 50), *[Place("b", Phase.HEAD, n) for n in (3, 9)]]
    connections = filled(*places, per_peer=2)
    assert connections.admit(new("b"))
    assert [p.aborted for p in places] == [False, False, True]
    assert connections.admit(new("c"))
    connections.forget(places[0])  # type: ignore[arg-type]
    connections.forget(places[0])  # type: ignore[arg-type]
    assert len(connections) == 3


def test_descriptors_are_left_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, most in ((1024, 384), (20_000, 512), (256, 32), (700, 222), (-1, 512)):
        monkeypatch.setattr(module.resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert connection_limit(512) == most
        assert connection_limit(8) == 8
