"""A batch that grows at the beginning of a run, by the micro-batches that a step adds up."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class BatchGrowth:
    """How many micro-batches each step takes.

    Step s (counted from 0) takes 1 + ⌊s · (full − 1) / steps⌋ of them, all from step `steps` on.
    Early gradients agree with each other: small batches learn as much from fewer rows (McCandlish
    et al., 2018).

    Attributes:
        full: micro-batches of a whole step: the run's gradient accumulation.
        steps: steps until there are so many; 0: from the beginning.
    """

    full: int = 1
    steps: int = 0

    @cached_property
    def _joins(self) -> np.ndarray:
        """The steps in which the second, third, … micro-batch joins, int64 [full − 1]."""
        parts = range(1, self.full)
        return np.array([-(-part * self.steps // (self.full - 1)) for part in parts], np.int64)

    def taken(self, step: Any) -> Any:
        """Micro-batches of a step: int64, for a tensor [] or an array [n] of steps."""
        if isinstance(step, tf.Tensor):
            return 1 + tf.reduce_sum(tf.cast(step >= self._joins, tf.int64))
        return 1 + (np.asarray(step)[..., np.newaxis] >= self._joins).sum(-1)

    def before(self, step: Any) -> Any:
        """Micro-batches of all steps before this one: int64, for a tensor [] or an array [n]."""
        if isinstance(step, tf.Tensor):
            return step + tf.reduce_sum(tf.maximum(step - self._joins, 0))
        step = np.asarray(step)
        return step + np.maximum(step[..., np.newaxis] - self._joins, 0).sum(-1)

    def steps_for(self, micro_batches: float) -> int:
        """Steps that take at least so many micro-batches together."""
        wanted = math.ceil(micro_batches - 1e-9)
        return bisect.bisect_left(range(wanted), wanted, key=lambda step: int(self.before(step)))
