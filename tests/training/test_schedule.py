"""Schedules without a lost step."""

from __future__ import annotations

import numpy as np
import pytest

from tfmlm.training.schedule import WarmupSchedule


@pytest.mark.parametrize("kind", ["linear", "cosine", "polynomial", "constant"])
@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (1, 1), (10, 0), (10, 4), (10, 10)])
def test_every_step_of_a_run_has_a_positive_rate(kind: str, total: int, warmup: int) -> None:
    schedule = WarmupSchedule(2.0, total, warmup, kind)
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
