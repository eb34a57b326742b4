"""A clock that goes on by a second with each step, so that runs by the clock can be repeated."""

from __future__ import annotations

import tf_keras

from tfmlm.training.clock import saving_seconds


class StepClock(tf_keras.callbacks.Callback):
    """Give it to `run_training` as its clock and as a callback."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def on_train_batch_begin(self, batch, logs=None) -> None:
        self.now += 1.0


def hours_for(steps: int) -> float:
    """`max_hours` of a run of so many steps of a tiny model by this clock."""
    return (steps + saving_seconds(500_000)) / 3600
