"""Schedules without a lost step."""

from __future__ import annotations

import numpy as np
import pytest

from tfmlm.errors import UserError
from tfmlm.training.schedule import ClockSchedule, WarmupSchedule


@pytest.mark.parametrize("kind", ["linear", "cosine", "polynomial", "constant", "wsd"])
@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (1, 1), (10, 0), (10, 4), (10, 10)])
def test_every_step_of_a_run_has_a_positive_rate(kind: str, total: int, warmup: int) -> None:
    decay = min(3, total - warmup)
    schedule = WarmupSchedule(2.0, total, warmup, kind, decay_steps=decay)
    rates = np.array([float(schedule(step)) for step in range(total)])
    assert np.isfinite(rates).all()
    assert (rates > 0).all()
    assert (rates <= 2.0).all()
    assert (np.diff(rates[:warmup]) > 0).all()
    assert (np.diff(rates[warmup:]) <= 0).all()
    assert rates.max() == 2.0
    assert np.isfinite(float(schedule(total + 5)))


def test_values_of_the_schedules() -> None:
    def at(kind: str, **options) -> list[float]:
        schedule = WarmupSchedule(1.0, 6, 2, kind, **options)
        return [round(float(schedule(s)), 4) for s in range(7)]

    assert at("linear") == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    assert at("linear", end=0.2) == [0.5, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2]
    assert at("constant") == [0.5, *[1.0] * 6]
    assert at("cosine")[2:] == [1.0, 0.8536, 0.5, 0.1464, 0.0]
    assert at("polynomial")[2:] == [1.0, 0.5625, 0.25, 0.0625, 0.0]
    assert at("wsd", decay_steps=4)[2:] == [1.0, 0.5, 0.2929, 0.134, 0.0]
    assert at("wsd", decay_steps=2) == [0.5, 1.0, 1.0, 1.0, 1.0, 0.2929, 0.0]
    assert at("wsd", decay_steps=2, decay_shape="linear", end=0.2)[4:] == [1.0, 0.6, 0.2]


def test_wrong_shapes_and_decays_are_refused() -> None:
    with pytest.raises(UserError, match="decay_shape is 'cosine'; choose from 1-sqrt, linear"):
        WarmupSchedule(1.0, 6, kind="wsd", decay_shape="cosine")
    with pytest.raises(UserError, match="decay_steps is 5; .* there are 4 steps"):
        WarmupSchedule(1.0, 6, 2, "wsd", decay_steps=5)


@pytest.mark.parametrize("kind", ["linear", "cosine", "polynomial", "constant", "wsd"])
def test_by_the_clock_the_rate_is_that_of_as_many_steps(kind: str) -> None:
    """A run of 1000 steps of equal time, with a warm-up of a tenth: the same course."""
    decay = 200 if kind == "wsd" else 0
    steps = WarmupSchedule(2.0, 1000, 100, kind, 0.1, decay_steps=decay)
    clock = ClockSchedule(2.0, lambda: 0.55, 0, 0.1, kind, 0.1)
    for step in (10, 50, 99, 100, 101, 400, 799, 800, 900, 999):
        expected = float(steps(step if step >= 100 else step - 1))  # no step at 0 is lost there
        assert float(clock.at(0, step / 1000)) == pytest.approx(expected, rel=1e-4), step
    end = 2.0 if kind == "constant" else 0.2
    assert float(clock.at(0, 1.0)) == pytest.approx(end, rel=1e-5)
    assert float(clock.at(0, 1.3)) == pytest.approx(end)
    assert float(clock(7)) == float(clock.at(7, 0.55))


def test_by_the_clock_a_warm_up_may_be_counted_in_steps() -> None:
    clock = ClockSchedule(1.0, lambda: 0.0, 4, 0.5, "linear")
    assert [float(clock.at(step, 0.1)) for step in (0, 1, 3, 9)] == pytest.approx(
        [0.225, 0.45, 0.9, 0.9]
    )
