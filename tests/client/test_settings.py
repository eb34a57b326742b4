"""Pauses between attempts stay between their limits; settings that cannot be are refused."""

from __future__ import annotations

import pytest

from tfmlm.client.settings import Retries, Tls
from tfmlm.errors import UserError


def test_pauses_double_up_to_the_longest() -> None:
    retries = Retries(backoff=0.1, max_backoff=5.0)
    for attempt, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], start=1):
        pauses = [retries.pause(attempt) for _ in range(50)]
        assert 0.75 * longest <= min(pauses) <= max(pauses) <= longest
        assert len(set(pauses)) > 1
    assert Retries(backoff=0).pause(3) == 0


@pytest.mark.parametrize("name", ["attempts", "backoff", "max_backoff"])
def test_nothing_is_negative(name: str) -> None:
    assert getattr(Retries(**{name: 0}), name) == 0
    with pytest.raises(UserError, match=f"must not be negative.*{name}=-1"):
        Retries(**{name: -1})


def test_a_certificate_needs_its_key() -> None:
    for half in ({"cert_file": "x"}, {"key_file": "x"}):
        with pytest.raises(UserError, match="needs both cert_file and key_file"):
            Tls(**half)
    assert Tls(cert_file="x", key_file="y") == Tls(key_file="y", cert_file="x")
