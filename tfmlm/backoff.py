"""Pauses between attempts."""

from __future__ import annotations

import random


def pause_before_next(attempt: int, first: float, longest: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1).

    Doubling from `first` to `longest` seconds, with up to a quarter taken off at random, so that
    those who failed together do not come back together.
    """
    return min(first * 2.0 ** min(attempt - 1, 63), longest) * random.uniform(0.75, 1.0)
