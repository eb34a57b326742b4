"""The share of the tokens to predict, where it changes over the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class MaskRate:
    """A rate that moves linearly from one value to another between two steps.

    A high rate learns faster from scratch, a low one is nearer to what the model is asked later
    (Wettig et al., 2023; Ankner et al., 2024): many runs end with a lower one.

    Attributes:
        begin, end: the rates in step `first_step` and before, in step `last_step` and after.
        first_step, last_step: steps of the run, counted from 0.
    """

    begin: float
    end: float
    first_step: int
    last_step: int

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate in a step (integer scalar), float32 scalar."""
        passed = tf.cast(step - self.first_step, tf.float32)
        share = tf.clip_by_value(passed / max(self.last_step - self.first_step, 1), 0.0, 1.0)
        return self.begin * (1.0 - share) + self.end * share
