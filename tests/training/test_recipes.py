"""Every recipe of training is exact: killed and resumed, accumulated, on several devices."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras

from tests.training import small
from tests.training.processes import finish, start
from tests.training.recipes import BY_LENGTH, BY_STEPS, COMMON, STEPS, by_clock
from tests.training.step_clock import StepClock
from tests.training.test_fit import difference, run, settings
from tfmlm.config import TrainConfig
from tfmlm.errors import UserError
from tfmlm.training import run_training


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recipes")
    small.write_corpus(root / "corpus.txt")
    small.tokenizer().save_pretrained(root / "tokenizer")
    return root


def train(root: Path, name: str, *callbacks: Any, **more: Any) -> dict[str, Any]:
    clock = StepClock()
    config = TrainConfig.from_dict(settings(root, name, **{**COMMON, **more}))
    return run_training(config, callbacks=[clock, *callbacks], clock=clock)


class Crash(Exception):
    """What ends a run without a word."""


class CrashAfter(tf_keras.callbacks.Callback):
    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if int(self.model.global_step.numpy()) == self._step:
            raise Crash


def same_figures(root: Path, one: str, other: str) -> None:
    results = [json.loads((root / n / "all_results.json").read_text()) for n in (one, other)]
    for name in ("eval_loss", "train_loss", "epoch", "train_steps"):
        assert results[0][name] == results[1][name], name


def test_recipes_by_steps_killed_and_resumed_give_the_same_weights(root: Path) -> None:
    recipe = {**BY_STEPS, **BY_LENGTH}
    train(root, "steps", **recipe)
    code, said = run(settings(root, "steps-killed", **{**COMMON, **recipe}), 7, "KILL")
    assert code == -signal.SIGKILL, said[-2000:]
    train(root, "steps-killed", **recipe)
    assert difference(root / "steps", root / "steps-killed") == 0.0
    same_figures(root, "steps", "steps-killed")


def test_a_run_by_the_clock_keeps_its_budget_when_it_crashes(
    root: Path, capfd: pytest.CaptureFixture
) -> None:
    recipe = by_clock()
    assert train(root, "clock", **recipe)["train_steps"] == STEPS
    said = capfd.readouterr().err
    assert re.search(r"0\.0\d+ h in steps of 4", said)
    with pytest.raises(Crash):
        train(root, "clock-crashed", CrashAfter(5), **recipe)
    train(root, "clock-crashed", **recipe)
    assert "Resuming from step 3 (" in capfd.readouterr().err
    assert difference(root / "clock", root / "clock-crashed") == 0.0
    same_figures(root, "clock", "clock-crashed")
    # The rate was that of the share of the time that had gone when the step before began.
    file = root / "clock" / "checkpoints" / "step-00000006" / "checkpoint.json"
    state = json.loads(file.read_text())["run"]["state"]
    points, budget = state["curve"], state["time_budget"]
    assert STEPS <= budget < STEPS + 0.1
    for point in points:
        gone = max(point["step"] - 2, 0)
        rise = min(1.0, point["step"] / 2)
        expected = 1e-3 * rise * 0.5 * (1 + np.cos(np.pi * gone / budget))
        assert point["learning_rate"] == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def layouts(root: Path) -> dict[str, Any]:
    code, said = finish(start(["-m", "tests.training.recipes", str(root)]))
    assert code == 0, said[-3000:]
    return json.loads(said.split("FOUND ")[1])


@pytest.mark.parametrize(
    "name",
    [
        "steps-accumulated",
        "steps-mirrored",
        "clock-accumulated",
        "clock-mirrored",
        "length-mirrored",
    ],
)
def test_recipes_do_not_depend_on_the_layout(name: str, layouts: dict[str, Any]) -> None:
    assert layouts[name]["steps"] == [STEPS, STEPS]
    assert layouts[name]["apart"] < 1e-6


def test_a_growing_batch_is_first_that_of_a_smaller_one(root: Path) -> None:
    few = {"max_steps": 3, "save_steps": 2, "line_by_line": True, "validation_split_percentage": 0}
    small_batch = {**few, "per_device_train_batch_size": 2}
    train(root, "small", **small_batch)
    growing = {"gradient_accumulation_steps": 2, "batch_warmup_steps": 3}
    results = train(root, "growing", **small_batch, **growing)
    assert difference(root / "small", root / "growing") == 0.0
    assert results["epoch"] == 3 * 2 / (-(-results["train_samples"] // 4) * 4)
    with pytest.raises(UserError, match="batch_warmup_steps is 4, but the run has 3 steps"):
        train(root, "refused", **small_batch, **{**growing, "batch_warmup_steps": 4})
    with pytest.raises(UserError, match="the growth of the batch"):
        more = {"gradient_accumulation_steps": 4, "per_device_train_batch_size": 1}
        train(root, "growing", **{**small_batch, **growing, **more})
