from __future__ import annotations

from tfmlm.backoff import pause_before_next


def test_pauses_double_up_to_the_longest_and_differ() -> None:
    for attempt, most in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 2.5), (5000, 2.5)):
        pauses = {pause_before_next(attempt, 0.5, 2.5) for _ in range(50)}
        assert len(pauses) > 40
        assert 0.75 * most <= min(pauses) and max(pauses) <= most
