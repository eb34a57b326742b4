"""The time of a run: what is left for training, over all its processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training import small
from tests.training.recipes import by_clock
from tests.training.test_recipes import train
from tfmlm.errors import UserError
from tfmlm.training.clock import TimeBudget, new_budget


def test_what_is_left_for_training() -> None:
    now = iter([1_100.0, 1_200.0, 2_000.0])
    budget = new_budget(1.0, lambda: next(now), begun=1_000.0, evaluation=100.0, saving=50.0)
    assert budget.seconds == 3600 - 100 - 150 - 50
    assert budget.share() == 100 / 3300
    # A process that goes on counts from its own begin what the checkpoint says was spent.
    later = TimeBudget(lambda: 30.0, budget.seconds, 900.0, begun=10.0)
    assert later.gone() == 920.0


def test_too_little_time_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    small.write_corpus(tmp_path / "corpus.txt")
    small.tokenizer().save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(UserError, match="max_hours is 0.002, which is 7 s: .* give more time"):
        train(tmp_path, "hasty", **{**by_clock(), "max_hours": 0.002})
    assert not (tmp_path / "hasty").exists()
