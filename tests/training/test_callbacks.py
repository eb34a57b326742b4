"""The best weights: the same again, or known to be damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.training import small
from tfmlm.training.callbacks import load_weights, save_weights


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
