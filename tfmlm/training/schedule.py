"""Learning-rate schedules without a lost step."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras

from tfmlm.config_recipe import SCHEDULES
from tfmlm.errors import UserError


class WarmupSchedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly over the warm-up, then falls as `kind` says.

    Step s of the warm-up (counted from 0) has (s + 1) / warmup_steps of the peak, so that no step
    is lost at a rate of 0; after it the share of the decay gone is (s − warmup) / (total − warmup),
    which is below 1 up to the last step. Kinds: linear, cosine, polynomial, constant.

    Args:
        peak: highest learning rate.
        total_steps: steps of the run.
        warmup_steps: steps of the rise.
        kind: course of the fall.
        end: share of the peak at which the fall ends.
        power: exponent of the polynomial.
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        warmup_steps: int = 0,
        kind: str = "linear",
        end: float = 0.0,
        power: float = 2.0,
    ) -> None:
        super().__init__()
        if kind not in SCHEDULES:
            raise UserError(f"schedule is {kind!r}; choose from {', '.join(SCHEDULES)}")
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.kind = kind
        self.end = end
        self.power = power

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        warmup = float(self.warmup_steps)
        rise = (step + 1.0) / max(warmup, 1.0)
        gone = (step - warmup) / max(float(self.total_steps) - warmup, 1.0)
        gone = tf.clip_by_value(gone, 0.0, 1.0)
        if self.kind == "constant":
            left = tf.ones_like(gone)
        elif self.kind == "cosine":
            left = 0.5 * (1.0 + tf.cos(math.pi * gone))
        elif self.kind == "polynomial":
            left = (1.0 - gone) ** self.power
        else:
            left = 1.0 - gone
        if self.kind != "constant":
            left = self.end + (1.0 - self.end) * left
        return self.peak * tf.where(step < warmup, tf.minimum(rise, 1.0), left)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "kind": self.kind,
            "end": self.end,
            "power": self.power,
        }
