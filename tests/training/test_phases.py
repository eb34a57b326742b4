"""Warm-up, stable phase and decay: how many steps each has."""

from __future__ import annotations

import pytest

from tfmlm.config import TrainConfig
from tfmlm.data.mask_rate import MaskRate
from tfmlm.errors import UserError
from tfmlm.training.phases import Phases, phases_of


def config(**more) -> TrainConfig:
    return TrainConfig(train_file=("a",), model_name_or_path="m", output_dir="o", **more)


def test_only_wsd_has_a_decay() -> None:
    assert phases_of(config(warmup_ratio=0.1), 95) == Phases(95, 10, 0)
    wsd = {"lr_scheduler_type": "wsd"}
    assert phases_of(config(warmup_steps=7, **wsd), 96) == Phases(96, 7, 20)
    assert phases_of(config(decay_steps=30, **wsd), 96) == Phases(96, 0, 30)
    assert phases_of(config(warmup_ratio=1.0, **wsd), 10) == Phases(10, 10, 0)
    with pytest.raises(UserError, match="10 steps, too few for a warm-up of 6 and a decay of 5"):
        phases_of(config(warmup_steps=6, decay_steps=5, **wsd), 10)


def test_a_decay_from_a_checkpoint_ends_the_run() -> None:
    wsd = {"lr_scheduler_type": "wsd", "decay_from": "c"}
    assert phases_of(config(**wsd, decay_steps=5), 1000, 40) == Phases(45, 0, 5)
    assert phases_of(config(**wsd, warmup_steps=7), -1, 40) == Phases(50, 7, 10)


def test_the_mask_rate_moves_in_the_decay_or_over_the_run() -> None:
    moving = {"mlm_probability": 0.3, "mlm_probability_end": 0.05}
    assert Phases(10, 2, 4).mask_rate(config(**moving)) == MaskRate(0.3, 0.05, 6, 9)
    assert Phases(10, 2).mask_rate(config(**moving)) == MaskRate(0.3, 0.05, 0, 9)
    assert Phases(10, 2, 4).mask_rate(config()) is None
