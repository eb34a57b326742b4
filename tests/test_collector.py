"""Rarer garbage collections, and the collector as it was behind them."""

import gc
from collections.abc import Iterator

import pytest

from tfmlm.collector import seldom_collected


@pytest.fixture(autouse=True)
def as_python_starts() -> Iterator[None]:
    """The thresholds of a new process; a test run may have its own."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def collections_of(objects: int) -> int:
    """How many times the collector runs while so many objects are made that stay."""
    before = sum(generation["collections"] for generation in gc.get_stats())
    alive = [[] for _ in range(objects)]
    assert len(alive) == objects
    return sum(generation["collections"] for generation in gc.get_stats()) - before


def test_fewer_within_and_as_before_behind() -> None:
    before = gc.get_threshold()
    assert collections_of(40_000) > 20
    with pytest.raises(ValueError, match="inside"), seldom_collected():
        assert collections_of(40_000) <= 1
        assert gc.isenabled()
        raise ValueError("inside")
    assert gc.get_threshold() == before
    assert collections_of(40_000) > 20


def test_who_collects_still_less_keeps_that() -> None:
    before = gc.get_threshold()
    gc.set_threshold(10**6, 5, 100)
    try:
        with seldom_collected():
            assert gc.get_threshold() == (10**6, 20, 100)
        assert gc.get_threshold() == (10**6, 5, 100)
    finally:
        gc.set_threshold(*before)
