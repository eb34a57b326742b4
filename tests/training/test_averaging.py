"""The mean of the last checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.training import small
from tests.training.test_recipes import train
from tfmlm.checkpoint.load import load_model
from tfmlm.errors import RunFailedError, UserError
from tfmlm.training.averaging import steps_to_average
from tfmlm.training.checkpoint import numbered_weights

RECIPE = {"average_checkpoints": 3, "save_total_limit": 1, "validation_split_percentage": 0}


def test_the_model_is_the_mean_of_the_last_checkpoints(tmp_path: Path) -> None:
    small.write_corpus(tmp_path / "corpus.txt")
    small.tokenizer().save_pretrained(tmp_path / "tokenizer")
    folder = tmp_path / "averaged"
    train(tmp_path, "averaged", **RECIPE)
    checkpoints = sorted((folder / "checkpoints").glob("step-*"))
    assert [c.name for c in checkpoints] == [f"step-0000000{n}" for n in (3, 6, 8)]
    stored = [load_file(c / "state.safetensors") for c in checkpoints]
    for name, value in numbered_weights(load_model(str(folder))).items():
        mean = np.mean([arrays[f"model/{name}"] for arrays in stored], axis=0, dtype=np.float64)
        np.testing.assert_array_equal(value.numpy(), mean.astype(np.float32), err_msg=name)

    # Interrupted between the last step and the results: the checkpoints are enough, if whole.
    before = (folder / "model.safetensors").read_bytes()
    for file in ("model.safetensors", "all_results.json"):
        (folder / file).unlink()
    train(tmp_path, "averaged", **RECIPE)
    assert (folder / "model.safetensors").read_bytes() == before
    with pytest.raises(UserError, match="another run .save_steps was 3"):
        train(tmp_path, "averaged", **{**RECIPE, "save_steps": 4})
    (folder / "all_results.json").unlink()
    state = checkpoints[0] / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(RunFailedError, match="cannot average from .*step-00000003: its file"):
        train(tmp_path, "averaged", **RECIPE)


def test_checkpoints_of_interruptions_do_not_count(tmp_path: Path) -> None:
    for step in (5, 7, 10, 15, 17):
        (tmp_path / f"step-{step:08d}").mkdir()
    assert steps_to_average(tmp_path, 2, 5, -1) == [10, 15]
    assert steps_to_average(tmp_path, 3, 5, 17) == [10, 15, 17]
    assert steps_to_average(tmp_path, 9, None, 17) == [17]
