"""Runs from settings to checkpoint folder; killed ones go on exactly where they were."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras
from safetensors.numpy import load_file

from tests.training import small
from tests.training.processes import finish, start, tf_configs
from tfmlm.config import TrainConfig
from tfmlm.training import run_training

STEPS = 16
FILES = (
    "README.md",
    "all_results.json",
    "config.json",
    "eval_results.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "train_results.json",
    "training.png",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    small.write_corpus(root / "corpus.txt")
    small.tokenizer().save_pretrained(root / "tokenizer")
    (root / "tokenizer" / "config.json").write_text('{"model_type": "bert"}')
    return root


def settings(root: Path, name: str, **more: Any) -> dict[str, Any]:
    """Settings of a small run with dropout, in a folder of its own."""
    return {
        "train_file": [str(root / "corpus.txt")],
        "model_type": "bert",
        "config_overrides": small.OVERRIDES,
        "tokenizer_name": str(root / "tokenizer"),
        "max_seq_length": small.LENGTH,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "max_steps": STEPS,
        "save_steps": 5,
        "eval_steps": 6,
        "logging_steps": 3,
        "max_eval_samples": 8,
        "cache_dir": str(root / "cache"),
        "output_dir": str(root / name),
        **more,
    }


def run(values: dict[str, Any], *when: object, **extra: str) -> tuple[int, str]:
    """Runs a process to its end."""
    arguments = ["-m", "tests.training.run", json.dumps(values), *map(str, when)]
    return finish(start(arguments, **extra))


def run_workers(values: dict[str, Any], *when: object, doomed: int = 1) -> list[tuple[int, str]]:
    """Runs two workers to their ends; `when` is for worker `doomed`."""
    processes = []
    for index, config in enumerate(tf_configs(2)):
        arguments = ["-m", "tests.training.run", json.dumps(values)]
        arguments += map(str, when if index == doomed else ())
        processes.append(start(arguments, TF_CONFIG=config))
    return [finish(process) for process in processes]


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def difference(a: Path, b: Path) -> float:
    """Largest difference between the weights of two checkpoint folders."""
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    return max(float(np.abs(first[name] - second[name]).max()) for name in first)


@pytest.fixture(scope="module")
def uninterrupted(root: Path) -> Path:
    values = settings(root, "uninterrupted")
    run_training(TrainConfig.from_dict(values))
    return Path(values["output_dir"])


def test_run_leaves_what_is_promised(uninterrupted: Path) -> None:
    for name in FILES:
        assert (uninterrupted / name).stat().st_size > 0, name
    assert list((uninterrupted / "logs").glob("events.out.tfevents.*"))
    assert {p.name for p in (uninterrupted / "checkpoints").glob("step-*")} == {
        "step-00000010",
        "step-00000015",
    }
    results = json.loads((uninterrupted / "all_results.json").read_text())
    assert results["train_steps"] == STEPS
    assert results["perplexity"] == pytest.approx(np.exp(results["eval_loss"]))
    assert 0 <= results["eval_accuracy"] <= results["eval_top5_accuracy"] <= 1
    assert results["eval_masked_tokens"] > 8
    evaluation = json.loads((uninterrupted / "eval_results.json").read_text())
    training = json.loads((uninterrupted / "train_results.json").read_text())
    assert {**training, **evaluation} == results
    assert not list(uninterrupted.glob(".tmp-*"))


def test_killed_run_ends_with_the_same_weights(
    root: Path, uninterrupted: Path, capfd: pytest.CaptureFixture
) -> None:
    values = settings(root, "killed")
    code, _ = run(values, 12, "KILL")
    assert code == -signal.SIGKILL
    folder = Path(values["output_dir"])
    # The newest checkpoint is cut off as by a full disk: the one before it must do.
    state = folder / "checkpoints" / "step-00000010" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    run_training(TrainConfig.from_dict(values))
    output = capfd.readouterr().err
    assert "step-00000010 is passed over" in output
    assert "Resuming from step 5" in output
    assert difference(folder, uninterrupted) == 0.0
    ours, theirs = (
        json.loads((f / "all_results.json").read_text()) for f in (folder, uninterrupted)
    )
    for name in ("eval_loss", "train_loss", "epoch", "train_steps"):
        assert ours[name] == theirs[name], name


def test_finished_run_is_not_repeated(
    root: Path, uninterrupted: Path, capfd: pytest.CaptureFixture
) -> None:
    copy = root / "finished"
    shutil.copytree(uninterrupted, copy)
    before = (copy / "model.safetensors").stat().st_mtime_ns
    results = run_training(TrainConfig.from_dict(settings(root, "finished")))
    assert results == json.loads((uninterrupted / "all_results.json").read_text())
    assert "nothing to do" in capfd.readouterr().err
    assert (copy / "model.safetensors").stat().st_mtime_ns == before


class SignalAt(tf_keras.callbacks.Callback):
    """Sends this process a signal after a step."""

    def __init__(self, step: int, number: int) -> None:
        super().__init__()
        self._step, self._number = step, number

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if int(self.model.global_step.numpy()) == self._step:
            os.kill(os.getpid(), self._number)


def test_terminated_run_saves_and_resumes_exactly(
    root: Path, uninterrupted: Path, capfd: pytest.CaptureFixture
) -> None:
    config = TrainConfig.from_dict(settings(root, "terminated", save_steps=0))
    results = run_training(config, callbacks=[SignalAt(7, signal.SIGTERM)])
    assert results["stopped"]
    assert 7 <= results["train_steps"] < STEPS
    assert "Stopped by SIGTERM after step" in capfd.readouterr().err
    assert not (root / "terminated" / "model.safetensors").exists()
    with pytest.raises(KeyboardInterrupt):
        run_training(config, callbacks=[SignalAt(11, signal.SIGINT)])
    run_training(config)
    assert difference(root / "terminated", uninterrupted) == 0.0


def test_killed_worker_ends_the_others_and_the_run_resumes_exactly(root: Path) -> None:
    whole = settings(root, "two-workers", per_device_train_batch_size=2)
    for code, output in run_workers(whole):
        assert code == 0, output[-3000:]
    killed = settings(root, "two-workers-killed", per_device_train_batch_size=2)
    (chief_code, chief_output), (code, _) = run_workers(killed, 12, "KILL")
    assert code == -signal.SIGKILL
    assert chief_code == 1, chief_output[-3000:]
    assert "error: lost worker 1 (127.0.0.1:" in chief_output
    for code, output in run_workers(killed):
        assert code == 0, output[-3000:]
    assert difference(root / "two-workers", root / "two-workers-killed") == 0.0


def test_preempted_worker_stops_all_in_the_same_step(root: Path) -> None:
    values = settings(root, "two-workers-preempted", per_device_train_batch_size=2, save_steps=0)
    for code, output in run_workers(values, 6, "TERM"):
        assert code == 0, output[-3000:]
    assert [p.name for p in (root / "two-workers-preempted" / "checkpoints").glob("step-*")]
