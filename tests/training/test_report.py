"""Figures of a run: means weighted by steps, and files that any JSON reader takes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.training import small
from tfmlm.training.report import json_ready, masked_example, train_results, write_results


@dataclass
class Run:
    """What `train_results` reads of a run: its curve, its steps and its time."""

    step: int = 0
    epoch: float = 0.0
    curve: list = field(default_factory=list)

    def seconds(self) -> float:
        return self.step / 4


def test_the_loss_is_the_mean_over_all_steps() -> None:
    by_step = [5.0, 4.0, 4.5, 3.0, 2.0, 1.0, 2.5]
    ends = [1, 3, 7]
    parts = np.split(np.array(by_step), ends)[:-1]
    curve = [{"step": s, "loss": float(p.mean())} for s, p in zip(ends, parts, strict=True)]
    run = Run(7, 1.75, curve)
    found = train_results(run, run, samples=100, global_rows=12)
    assert math.isclose(found.pop("train_loss"), np.mean(by_step))
    assert found == {
        "epoch": 1.75,
        "train_runtime": 1.75,
        "train_samples": 100,
        "train_samples_per_second": 48.0,
        "train_steps": 7,
        "train_steps_per_second": 4.0,
    }
    assert math.isnan(train_results(Run(), Run(), None, 12)["train_loss"])


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_files_hold_json_whatever_the_figures(tmp_path: Path) -> None:
    train = {"train_loss": math.nan, "train_steps": 3}
    evaluation = {"eval_loss": 800.0, "perplexity": math.inf}
    everything = write_results(tmp_path, train, evaluation)
    assert everything.keys() == {*train, *evaluation} and everything["perplexity"] == math.inf
    read = {
        path.name: json.loads(path.read_text(), parse_constant=_refuse)
        for path in tmp_path.iterdir()
    }
    first, second = {"train_loss": None, "train_steps": 3}, {"eval_loss": 800.0, "perplexity": None}
    assert read == {
        "train_results.json": first,
        "eval_results.json": second,
        "all_results.json": first | second,
    }
    assert json_ready({"a": -math.inf, "b": 1e300, "c": "nan"}) == {
        "a": None,
        "b": 1e300,
        "c": "nan",
    }


def test_without_evaluation_there_is_no_file_of_it(tmp_path: Path) -> None:
    assert write_results(tmp_path, {"train_steps": 1}, None) == {"train_steps": 1}
    assert {p.name for p in tmp_path.iterdir()} == {"train_results.json", "all_results.json"}


def test_an_example_is_what_the_model_sees_and_what_is_hidden() -> None:
    tokenizer = small.tokenizer()
    ids = tokenizer(small.lines()[3])["input_ids"][:8]
    masked = [tokenizer.mask_token_id if i in (2, 5) else t for i, t in enumerate(ids)]
    labels = [t if i in (2, 5) else -100 for i, t in enumerate(ids)]
    padding = [tokenizer.pad_token_id] * 3
    inputs = {
        "input_ids": tf.constant([masked + padding]),
        "attention_mask": tf.constant([[1] * 8 + [0] * 3]),
    }
    seen, hidden = masked_example(inputs, tf.constant([labels + [-100] * 3]), tokenizer)
    assert seen == tokenizer.decode(masked)
    assert hidden == " | ".join(tokenizer.decode(ids[i]).strip() for i in (2, 5))
