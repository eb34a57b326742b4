"""The phases of a run: warm-up, stable, decay."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tfmlm.config import TrainConfig
from tfmlm.config_recipe import DECAY_SHARE
from tfmlm.data.mask_rate import MaskRate
from tfmlm.errors import UserError


@dataclass(frozen=True)
class Phases:
    """Steps of a run and of its phases.

    Attributes:
        total: steps of the run.
        warmup: steps over which the learning rate rises, at the beginning.
        decay: steps over which it falls, at the end; only `wsd` has such a phase.
    """

    total: int
    warmup: int = 0
    decay: int = 0

    def mask_rate(self, config: TrainConfig) -> MaskRate | None:
        """The course of `mlm_probability`; None where it stays."""
        end = config.mlm_probability_end
        if end is None:
            return None
        first = self.total - self.decay if self.decay else 0
        return MaskRate(config.mlm_probability, end, first, self.total - 1)


def usual_decay(total: int) -> int:
    """Steps of the decay of a run of `total` steps, where nobody says them."""
    return math.ceil(total * DECAY_SHARE - 1e-9)


def mask_rate_by_clock(config: TrainConfig) -> MaskRate | None:
    """The course of `mlm_probability` over the shares of a run's time; None where it stays."""
    end = config.mlm_probability_end
    if end is None:
        return None
    first = 1.0 - DECAY_SHARE if config.lr_scheduler_type == "wsd" else 0.0
    return MaskRate(config.mlm_probability, end, first, 1.0)


def phases_of(config: TrainConfig, total: int, decay_from: int | None = None) -> Phases:
    """The phases of a run.

    Args:
        config: settings of the run.
        total: its steps, unless it only finishes another run.
        decay_from: step of the checkpoint in which that run's decay begins.

    Raises:
        UserError: warm-up and decay do not fit into the run.
    """
    if decay_from is not None:
        decay = config.decay_steps or math.ceil(decay_from / 4)  # a fifth of the whole
        total = decay_from + decay
        warmup = config.warmup_steps or math.ceil(config.warmup_ratio * total)
        return Phases(total, min(warmup, decay_from), decay)
    warmup = min(config.warmup_steps or math.ceil(config.warmup_ratio * total), total)
    if config.lr_scheduler_type != "wsd":
        return Phases(total, warmup)
    decay = config.decay_steps or min(usual_decay(total), total - warmup)
    if warmup + decay > total:
        raise UserError(
            f"the run has {total} steps, too few for a warm-up of {warmup} and a decay of {decay}: "
            "lower warmup_steps or decay_steps"
        )
    return Phases(total, warmup, decay)
