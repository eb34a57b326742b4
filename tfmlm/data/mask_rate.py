"""The share of the tokens to predict, where it changes over the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class MaskRate:
    """A rate that moves linearly from one value to another between two steps, or two shares of a
    run's time.

    A high rate learns faster from scratch, a low one is nearer to what the model is asked later
    (Wettig et al., 2023; Ankner et al., 2024): many runs end with a lower one.

    Attributes:
        begin, end: the rates at `first` and before, at `last` and after.
        first, last: steps of the run, counted from 0, or shares of its time.
    """

    begin: float
    end: float
    first: float
    last: float

    def __call__(self, now: Any) -> tf.Tensor:
        """The rate at a step (integer scalar) or share of the time (float32), float32 scalar."""
        passed = tf.cast(now - tf.cast(self.first, now.dtype), tf.float32)
        share = tf.clip_by_value(passed / max(self.last - self.first, 1e-9), 0.0, 1.0)
        return self.begin * (1.0 - share) + self.end * share
