"""The best weights: the same again, or known to be damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.training import small
from tfmlm.progress import figures_line
from tfmlm.training.callbacks import Speed, load_weights, save_weights


def test_best_weights_come_back_or_are_known_to_be_damaged(tmp_path: Path) -> None:
    saved, other = small.model(seed=1), small.model(seed=2)
    path = tmp_path / "best.safetensors"
    save_weights(saved, path)
    whole = path.read_bytes()
    before = other.get_weights()
    for place in (2, len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert load_weights(other, path) is False
    path.write_bytes(whole[:-1])
    assert load_weights(other, path) is False
    assert load_weights(other, tmp_path / "nowhere") is False
    for mine, theirs in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    path.write_bytes(whole)
    assert load_weights(other, path) is True
    for mine, theirs in zip(saved.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_log_says_what_a_second_brings() -> None:
    sums = {"tokens": 900.0, "places": 1_000.0, "flops": 4e12}
    speed = Speed.of(sums, 2.0, peak=8e12)
    assert speed == Speed(450.0, 1 - 0.9, 2e12, 0.25)
    shown = {"tokens/s": "450", "padding": "10%", "GFLOP/s": "2,000.0", "MFU": "25.0%"}
    assert speed.shown() == shown
    assert figures_line(shown) == "450 tokens/s  padding 10%  2,000.0 GFLOP/s  MFU 25.0%"
