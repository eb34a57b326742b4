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
from tests.training.step_clock import hours_for
from tests.training.steps import EPSILON
from tfmlm.checkpoint.load import load_tokenizer
from tfmlm.config import EvaluateConfig, TrainConfig
from tfmlm.errors import UserError
from tfmlm.training import run_training
from tfmlm.training.evaluate import run_evaluation

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
    # By the first worker's clock, and with a mean of checkpoints that both have to read.
    recipe: dict[str, Any] = {
        "per_device_train_batch_size": 2,
        "max_steps": -1,
        "max_hours": hours_for(STEPS),
        "mlm_probability_end": 0.05,
        "average_checkpoints": 2,
    }
    whole = settings(root, "two-workers", **recipe)
    for code, output in run_workers(whole):
        assert code == 0, output[-3000:]
    killed = settings(root, "two-workers-killed", **recipe)
    (chief_code, chief_output), (code, _) = run_workers(killed, 12, "KILL")
    assert code == -signal.SIGKILL
    assert chief_code == 1, chief_output[-3000:]
    assert "error: lost worker 1 (127.0.0.1:" in chief_output
    for code, output in run_workers(killed):
        assert code == 0, output[-3000:]
    assert difference(root / "two-workers", root / "two-workers-killed") == 0.0


NO_DROPOUT = (
    f"{small.OVERRIDES},hidden_dropout_prob=0,attention_probs_dropout_prob=0,initializer_range=0.2"
)


def test_preempted_workers_stop_in_the_same_step_and_one_device_goes_on(
    root: Path, capfd: pytest.CaptureFixture
) -> None:
    # Epsilon: see steps.py.
    same: dict[str, Any] = {
        "save_steps": 0,
        "config_overrides": NO_DROPOUT,
        "adam_epsilon": EPSILON,
    }
    values = settings(root, "preempted", per_device_train_batch_size=2, **same)
    for code, output in run_workers(values, 6, "TERM"):
        assert code == 0, output[-3000:]
    assert [p.name for p in (root / "preempted" / "checkpoints").glob("step-*")]

    # Two workers with 2 rows each, or one device with 2 · 2: the same steps. With 2 rows: others.
    with pytest.raises(
        UserError, match=r"rows of a step over all devices changed \(4 → 2\); .* devices is 4"
    ):
        train(root, "preempted", per_device_train_batch_size=2, **same)
    halves: dict[str, Any] = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    results = train(root, "preempted", **halves, **same)
    assert "Resuming from step" in capfd.readouterr().err
    assert results["train_steps"] == STEPS
    train(root, "not-preempted", **same)
    ours, theirs = weights(root / "preempted"), weights(root / "not-preempted")
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, atol=1e-6, rtol=0, err_msg=name)


def train(root: Path, name: str, **more: Any) -> dict[str, Any]:
    return run_training(TrainConfig.from_dict(settings(root, name, **more)))


def test_early_stopping_keeps_the_best_weights(root: Path, capfd: pytest.CaptureFixture) -> None:
    options = {"learning_rate": 0.3, "eval_steps": 2, "lr_scheduler_type": "constant"}
    results = train(root, "early", early_stopping_patience=2, max_steps=40, **options)
    errors = capfd.readouterr().err
    assert "Stopped early" in errors
    assert results["train_steps"] < 40
    evaluated = [float(x.split()[0].rstrip(",")) for x in errors.split(": held-out loss ")[1:]]
    assert results["eval_loss"] == pytest.approx(min(evaluated), abs=1e-4)
    assert evaluated[-1] > min(evaluated)
    again = EvaluateConfig(
        model_name_or_path=str(root / "early"),
        validation_file=(str(root / "corpus.txt"),),
        max_seq_length=small.LENGTH,
        cache_dir=str(root / "cache"),
    )
    assert run_evaluation(again)["eval_loss"] < 100  # the folder holds what was kept


def test_streaming_resumes_exactly(root: Path, capfd: pytest.CaptureFixture) -> None:
    options = {"streaming": True, "streaming_buffer_size": 20, "streaming_validation_texts": 20}
    whole = train(root, "stream", **options)
    with pytest.raises(KeyboardInterrupt):
        config = TrainConfig.from_dict(settings(root, "stream-killed", **options))
        run_training(config, callbacks=[SignalAt(6, signal.SIGINT)])
    resumed = train(root, "stream-killed", **options)
    assert difference(root / "stream", root / "stream-killed") == 0.0
    assert resumed["eval_loss"] == whole["eval_loss"]
    assert whole["eval_samples"] >= 1


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_float32_weights(root: Path, precision: str) -> None:
    results = train(
        root, precision, mixed_precision=precision, max_steps=6, gradient_accumulation_steps=2
    )
    assert np.isfinite(results["train_loss"])
    assert {w.dtype for w in weights(root / precision).values()} == {np.dtype("float32")}
    assert tf_keras.mixed_precision.global_policy().name == "float32"


def test_encoder_without_a_head_starts_at_unigram_frequencies(
    root: Path, capfd: pytest.CaptureFixture
) -> None:
    from safetensors.numpy import save_file

    from tfmlm.checkpoint.save import save_model

    folder = root / "encoder"
    save_model(small.model(initializer_range=0.02), folder)
    small.tokenizer().save_pretrained(folder)
    bare = {k: v for k, v in load_file(folder / "model.safetensors").items() if "cls." not in k}
    save_file(bare, folder / "model.safetensors", metadata={"format": "pt"})
    more = {"model_type": None, "config_overrides": None, "tokenizer_name": None}
    results = train(
        root,
        "from-encoder",
        **more,
        model_name_or_path=str(folder),
        max_steps=1,
        learning_rate=1e-9,
        eval_on_start=True,
    )
    assert "no masked-LM head: its output bias starts" in capfd.readouterr().err
    assert results["initial_eval_loss"] == pytest.approx(results["unigram_loss"], abs=0.1)


def test_other_settings_in_the_same_folder_are_refused(root: Path, uninterrupted: Path) -> None:
    with pytest.raises(UserError, match=r"another run \(learning_rate was 0\.001"):
        train(root, "uninterrupted", learning_rate=2e-3)


def test_overwriting_starts_anew_and_spares_other_files(root: Path) -> None:
    train(root, "over", max_steps=2)
    (root / "over" / "notes.txt").write_text("mine")
    results = train(root, "over", max_steps=1, overwrite_output_dir=True)
    assert results["train_steps"] == 1
    assert (root / "over" / "notes.txt").read_text() == "mine"
    with pytest.raises(UserError, match="positions for 64"):
        train(root, "over", max_seq_length=100, overwrite_output_dir=True)
    assert json.loads((root / "over" / "all_results.json").read_text()) == results


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_trained_tokenizers_for_line_by_line_with_given_validation(root: Path, kind: str) -> None:
    results = train(
        root,
        f"lines-{kind}",
        tokenizer_name=None,
        train_tokenizer=kind,
        vocab_size=350,
        line_by_line=True,
        validation_file=[str(root / "corpus.txt")],
        max_steps=2,
        span_masking=True,
    )
    assert results["eval_samples"] == 8
    tokenizer = load_tokenizer(root / f"lines-{kind}")
    assert tokenizer.is_fast
    assert len(tokenizer) <= 350
