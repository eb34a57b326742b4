"""Runs that follow the clock (Geiping and Goldstein, 2022): how much of their time has gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tfmlm.errors import UserError
from tfmlm.training.callbacks import RunCallback

#: A clock in seconds, from any moment on.
Clock = Callable[[], float]
#: Held-out text may take longer at the end than on trial: the machine may be busier then.
_EVALUATION_MARGIN = 1.5


def saving_seconds(weight_bytes: int) -> float:
    """What is set aside for the writing of model, card and picture, generously."""
    return 10.0 + weight_bytes / 50e6


@dataclass
class TimeBudget:
    """The time of a run's training, over all its processes.

    Attributes:
        clock: of this process.
        seconds: from the first step of the run to its last.
        spent: those that had gone when this process began, by the last checkpoint.
        begun: when that was, by the clock.
    """

    clock: Clock
    seconds: float
    spent: float
    begun: float

    def gone(self) -> float:
        """Seconds of the budget that have gone."""
        return self.spent + self.clock() - self.begun

    def share(self) -> float:
        """Share of the budget that has gone; over 1 when it is used up."""
        return self.gone() / self.seconds


def new_budget(
    hours: float, clock: Clock, begun: float, evaluation: float, saving: float
) -> TimeBudget:
    """What is left for training of `hours` since `begun`, the start of the run.

    Args:
        hours: for the whole run.
        clock: of this process.
        begun: when the run began, by the clock.
        evaluation: seconds of an evaluation, as tried.
        saving: seconds to set aside for the writing of the results.

    Raises:
        UserError: nothing is left.
    """
    now = clock()
    after = _EVALUATION_MARGIN * evaluation + saving
    seconds = 3600.0 * hours - (now - begun) - after
    if seconds <= 0:
        raise UserError(
            f"max_hours is {hours:g}, which is {3600 * hours:.0f} s: reading and building took "
            f"{now - begun:.0f} s, and {after:.0f} s are set aside for evaluation and saving; give "
            "more time"
        )
    return TimeBudget(clock, seconds, 0.0, now)


class TellTime(RunCallback):
    """Tells the trainer before each step how much of the time has gone, and when to end.

    All workers have one; what the first says counts, one step later (`MaskedLMTrainer.by_clock`). A
    step is the last if the next one would end too late, should it take as long as the one before.
    """

    def __init__(self, *args: Any, budget: TimeBudget) -> None:
        super().__init__(*args)
        self.budget = budget
        self._last = 0.0  # seconds of the step before
        self._begun = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._begun = self.budget.gone()
        ends = self._begun + 2.0 * self._last > self.budget.seconds
        self.model.told.assign([self._begun / self.budget.seconds, float(ends)])

    def after_step(self, logs: Any) -> None:
        self._last = self.budget.gone() - self._begun
