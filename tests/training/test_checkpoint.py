"""Checkpoints: whole or passed over, the newest kept, everything in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.training import small
from tfmlm.errors import UserError
from tfmlm.training.checkpoint import (
    keep_newest,
    latest_checkpoint,
    open_checkpoint,
    remove_older,
    restore_trainer,
    save_checkpoint,
    trainer_arrays,
)
from tfmlm.training.optimizer import create_optimizer
from tfmlm.training.trainer import MaskedLMTrainer

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.int64(7)}


def save(root: Path, *steps: int, keep: int = 10) -> None:
    for step in steps:
        save_checkpoint(root, step, ARRAYS, {"state": {"step": step}})
        remove_older(root, keep)


def test_arrays_and_counters_come_back(tmp_path: Path) -> None:
    save(tmp_path, 3)
    checkpoint, notes = latest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.run, notes) == (3, {"state": {"step": 3}}, [])
    arrays = checkpoint.arrays()
    np.testing.assert_array_equal(arrays["a"], ARRAYS["a"])
    assert arrays["b"].shape == ()
    assert arrays["b"] == 7


def test_oldest_are_removed(tmp_path: Path) -> None:
    save(tmp_path, 8, 9, 10, 11, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000010", "step-00000011"]
    save(tmp_path, 12, 13)
    remove_older(tmp_path, 2, also=[10, 11])
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"step-{n:08d}" for n in (10, 11, 12, 13)]
    remove_older(tmp_path, 1, also=[11])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000011", "step-00000013"]


def _cut(folder: Path) -> None:
    file = folder / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def _flip(folder: Path) -> None:
    file = folder / "state.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


DAMAGES = {
    "cut off": _cut,
    "damaged": _flip,
    "state.safetensors is missing": lambda f: (f / "state.safetensors").unlink(),
    "checkpoint.json is missing": lambda f: (f / "checkpoint.json").unlink(),
    "checkpoint.json is damaged": lambda f: (f / "checkpoint.json").write_text('{"step": 5, '),
    "json is damaged": lambda f: (f / "checkpoint.json").write_text("[" * 100_000),
}


def test_no_bit_of_the_manifest_may_be_another_one(tmp_path: Path) -> None:
    save(tmp_path, 5)
    manifest = tmp_path / "step-00000005" / "checkpoint.json"
    whole = manifest.read_bytes()
    accepted = []
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            manifest.write_bytes(damaged)
            if latest_checkpoint(tmp_path)[0] is not None:
                accepted.append((place, bit))
    assert accepted == []
    manifest.write_bytes(whole)
    assert latest_checkpoint(tmp_path)[0] is not None
    without = {k: v for k, v in json.loads(whole).items() if k != "self"}
    manifest.write_text(json.dumps(without))
    assert latest_checkpoint(tmp_path)[0] is None


def test_room_is_made_but_for_the_newest_whole_one(tmp_path: Path) -> None:
    save(tmp_path, 3, 4, 5)
    _flip(tmp_path / "step-00000005")
    (tmp_path / ".tmp-abcdefgh").mkdir()
    keep_newest(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000004"]


@pytest.mark.parametrize("problem", DAMAGES)
def test_damaged_one_is_passed_over(problem: str, tmp_path: Path) -> None:
    save(tmp_path, 4, 5)
    DAMAGES[problem](tmp_path / "step-00000005")
    checkpoint, notes = latest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 4
    assert len(notes) == 1
    assert "step-00000005 is passed over" in notes[0]
    assert problem in notes[0]
    with pytest.raises(UserError, match="cannot resume from"):
        open_checkpoint(tmp_path / "step-00000005")


def test_unfinished_folder_of_a_killed_process_is_none(tmp_path: Path) -> None:
    (tmp_path / ".tmp-abc").mkdir()
    assert latest_checkpoint(tmp_path) == (None, [])
    assert latest_checkpoint(tmp_path / "none") == (None, [])


def _trainer(hidden: int = 32) -> MaskedLMTrainer:
    trainer = MaskedLMTrainer(small.model(hidden_size=hidden))
    trainer.compile(create_optimizer(1e-3, 10)[0])
    trainer.optimizer._create_all_weights(trainer.model.trainable_variables)
    return trainer


def test_trainer_is_restored_and_another_model_refused(tmp_path: Path) -> None:
    trainer = _trainer()
    for number, variable in enumerate(trainer.optimizer.weights[1:]):
        variable.assign(variable + number)
    trainer.global_step.assign(5)
    arrays = trainer_arrays(trainer)
    other = _trainer()
    restore_trainer(other, arrays)
    assert int(other.global_step.numpy()) == 5
    again = trainer_arrays(other)
    assert again.keys() == arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)
    with pytest.raises(UserError, match="another model"):
        restore_trainer(_trainer(hidden=16), arrays)


def test_manifest_is_plain_json(tmp_path: Path) -> None:
    save(tmp_path, 1)
    manifest = json.loads((tmp_path / "step-00000001" / "checkpoint.json").read_text())
    assert set(manifest) == {"step", "size", "blake2b", "self", "run"}
