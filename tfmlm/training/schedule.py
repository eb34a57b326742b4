"""Learning-rate schedules without a lost step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from tfmlm.config_recipe import DECAY_SHAPES, DECAY_SHARE, SCHEDULES
from tfmlm.errors import UserError


class WarmupSchedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly over the warm-up, then falls as `kind` says.

    Step s of the warm-up (counted from 0) has (s + 1) / warmup_steps of the peak, so that no step
    is lost at a rate of 0; after it the share of the decay gone is (s − warmup) / (total − warmup),
    which is below 1 up to the last step. Kinds: linear, cosine, polynomial,
    constant, and wsd (warm-up, stable, decay; Hu et al., 2024), which stays at the peak and falls
    over the last `decay_steps`, by default as 1 − √(share gone) (Hägele et al., 2024).

    Args:
        peak: highest learning rate.
        total_steps: steps of the run.
        warmup_steps: steps of the rise.
        kind: course of the fall.
        end: share of the peak at which the fall ends.
        power: exponent of the polynomial.
        decay_steps: steps of the fall of wsd.
        decay_shape: its course, `1-sqrt` or `linear`.
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        warmup_steps: int = 0,
        kind: str = "linear",
        end: float = 0.0,
        power: float = 2.0,
        decay_steps: int = 0,
        decay_shape: str = "1-sqrt",
    ) -> None:
        super().__init__()
        _require_known(kind, decay_shape)
        if kind == "wsd" and not 0 <= decay_steps <= total_steps - warmup_steps:
            raise UserError(
                f"decay_steps is {decay_steps}; between the warm-up and the end there are "
                f"{total_steps - warmup_steps} steps"
            )
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.kind = kind
        self.end = end
        self.power = power
        self.decay_steps = decay_steps
        self.decay_shape = decay_shape

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        warmup = float(self.warmup_steps)
        rise = (step + 1.0) / max(warmup, 1.0)
        begin = float(self.total_steps - self.decay_steps) if self.kind == "wsd" else warmup
        gone = (step - begin) / max(float(self.total_steps) - begin, 1.0)
        left = _left(gone, self.kind, self.end, self.power, self.decay_shape)
        return self.peak * tf.where(step < warmup, tf.minimum(rise, 1.0), left)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "kind": self.kind,
            "end": self.end,
            "power": self.power,
            "decay_steps": self.decay_steps,
            "decay_shape": self.decay_shape,
        }


class ClockSchedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """The same courses, following the clock: a function of the share of the time that has gone.

    The warm-up is counted in steps, or is a share of the time, of which the rate begins at a
    hundredth of its peak; after it the share of the decay gone is (share − warmup_ratio) /
    (1 − warmup_ratio), and wsd falls over the last fifth of the time.

    Args:
        peak: highest learning rate.
        share: gives the share of the time that had gone when the step began, float32 scalar.
        warmup_steps: steps of the rise.
        warmup_ratio: share of the time of the rise, if it is not counted in steps.
        kind, end, power, decay_shape: as those of `WarmupSchedule`.
    """

    def __init__(
        self,
        peak: float,
        share: Callable[[], tf.Tensor],
        warmup_steps: int = 0,
        warmup_ratio: float = 0.0,
        kind: str = "linear",
        end: float = 0.0,
        power: float = 2.0,
        decay_shape: str = "1-sqrt",
    ) -> None:
        super().__init__()
        _require_known(kind, decay_shape)
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.warmup_ratio = 0.0 if warmup_steps else warmup_ratio
        self.kind = kind
        self.end = end
        self.power = power
        self.decay_shape = decay_shape
        self._share = share

    def __call__(self, step: Any) -> tf.Tensor:
        return self.at(step, self._share())

    def at(self, step: Any, share: Any) -> tf.Tensor:
        """The rate of a step (counted from 0) that begins when this share of the time has gone."""
        share = tf.cast(share, tf.float32)
        if self.warmup_steps:
            rise = (tf.cast(step, tf.float32) + 1.0) / self.warmup_steps
        else:
            rise = tf.maximum(share / max(self.warmup_ratio, 1e-9), 0.01)
        begin = 1.0 - DECAY_SHARE if self.kind == "wsd" else self.warmup_ratio
        gone = (share - begin) / max(1.0 - begin, 1e-9)
        left = _left(gone, self.kind, self.end, self.power, self.decay_shape)
        return self.peak * tf.minimum(rise, 1.0) * left

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "warmup_ratio": self.warmup_ratio,
            "kind": self.kind,
            "end": self.end,
            "power": self.power,
            "decay_shape": self.decay_shape,
            "by_clock": True,
        }


def _require_known(kind: str, decay_shape: str) -> None:
    for name, value, known in (
        ("schedule", kind, SCHEDULES),
        ("decay_shape", decay_shape, DECAY_SHAPES),
    ):
        if value not in known:
            raise UserError(f"{name} is {value!r}; choose from {', '.join(known)}")


def _left(gone: tf.Tensor, kind: str, end: float, power: float, decay_shape: str) -> tf.Tensor:
    """Share of the peak when a share `gone` of the fall is over."""
    gone = tf.clip_by_value(gone, 0.0, 1.0)
    if kind == "constant":
        return tf.ones_like(gone)
    if kind == "cosine":
        left = 0.5 * (1.0 + tf.cos(math.pi * gone))
    elif kind == "polynomial":
        left = (1.0 - gone) ** power
    elif kind == "wsd" and decay_shape == "1-sqrt":
        left = 1.0 - tf.sqrt(gone)
    else:
        left = 1.0 - gone
    return end + (1.0 - end) * left
