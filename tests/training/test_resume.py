"""Decays of a stable run: any of its checkpoints, several times, exactly."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.training import small
from tests.training.test_fit import SignalAt, difference, settings
from tfmlm.config import TrainConfig
from tfmlm.errors import UserError
from tfmlm.training import run_training

WSD: dict[str, Any] = {
    "lr_scheduler_type": "wsd",
    "warmup_steps": 2,
    "mlm_probability": 0.3,
    "mlm_probability_end": 0.05,
    "save_steps": 4,
    "save_total_limit": 5,
    "eval_strategy": "no",
    "eval_steps": 0,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("decays")
    small.write_corpus(root / "corpus.txt")
    small.tokenizer().save_pretrained(root / "tokenizer")
    return root


def train(root: Path, name: str, *callbacks: Any, **more: Any) -> dict[str, Any]:
    config = TrainConfig.from_dict(settings(root, name, **{**WSD, **more}))
    return run_training(config, callbacks=callbacks)


@pytest.fixture(scope="module")
def stable(root: Path) -> Path:
    """The checkpoints of a run of 14 steps that decays from step 9 on."""
    train(root, "stable", max_steps=14, decay_steps=5)
    return root / "stable" / "checkpoints"


def test_a_decay_is_that_of_a_run_which_was_meant_to_end_there(
    root: Path, stable: Path, capfd: pytest.CaptureFixture
) -> None:
    before = {p.name for p in stable.iterdir()}
    whole = train(root, "whole", max_steps=11, decay_steps=3)
    begin = {"decay_from": str(stable / "step-00000008"), "decay_steps": 3}
    decayed = train(root, "decayed", **begin)
    assert "Decaying from step 8 of 11" in capfd.readouterr().err
    assert difference(root / "whole", root / "decayed") == 0.0
    assert decayed["train_steps"] == 11
    assert decayed["eval_loss"] == whole["eval_loss"]
    # Again, interrupted; from another checkpoint, of another length.
    with pytest.raises(KeyboardInterrupt):
        train(root, "again", SignalAt(9, signal.SIGINT), **begin)
    train(root, "again", **begin)
    assert re.search("Resuming from step (9|10) of 11", capfd.readouterr().err)
    assert difference(root / "whole", root / "again") == 0.0
    shorter = train(root, "shorter", decay_from=str(stable / "step-00000004"))
    assert shorter["train_steps"] == 5
    assert {p.name for p in stable.iterdir()} == before


def test_what_is_not_stable_is_refused(root: Path, stable: Path) -> None:
    def refused(message: str, **more: Any) -> None:
        with pytest.raises(UserError, match=message):
            train(root, "refused", **more)
        assert not (root / "refused").exists()

    falls = str(stable / "step-00000012")
    refused("in step 12 its learning rate falls already, since step 9", decay_from=falls)
    good = str(stable / "step-00000008")
    refused("its learning_rate is 0.001, not 0.002", decay_from=good, learning_rate=2e-3)
    refused("cannot decay from .*rows of a step", decay_from=good, per_device_train_batch_size=8)
    refused("cannot decay from .*checkpoint.json is missing", decay_from=str(root))
    train(root, "long-warmup", max_steps=6, warmup_steps=6, decay_steps=0)
    early = str(root / "long-warmup" / "checkpoints" / "step-00000004")
    refused("step 4 is in the warm-up of 6 steps", decay_from=early)
    train(root, "linear", max_steps=5, lr_scheduler_type="linear")
    linear = str(root / "linear" / "checkpoints" / "step-00000004")
    refused("its learning rate is linear, which has no stable phase", decay_from=linear)


def test_evaluation_does_not_depend_on_the_rate_of_training(root: Path, stable: Path) -> None:
    results = json.loads((stable.parent / "all_results.json").read_text())
    other = train(root, "rate", max_steps=1, mlm_probability=0.6, decay_steps=0, warmup_steps=0)
    assert other["eval_masked_tokens"] == results["eval_masked_tokens"]
