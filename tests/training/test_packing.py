"""A run with several texts a row: resumed to the bit, evaluated alike, refused by name."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.training import small
from tests.training.test_fit import SignalAt, difference, settings
from tfmlm.config import EvaluateConfig, TrainConfig
from tfmlm.errors import UserError
from tfmlm.training import run_training
from tfmlm.training.evaluate import run_evaluation

OVERRIDES = (
    "hidden_size=32,num_hidden_layers=2,num_attention_heads=2,intermediate_size=32,"
    "global_attn_every_n_layers=2,local_attention=8,embedding_dropout=0.1,mlp_dropout=0.1,"
    "attention_dropout=0.1"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    small.write_corpus(root / "corpus.txt")
    small.tokenizer().save_pretrained(root / "tokenizer")
    return root


def config(root: Path, name: str, **more: object) -> TrainConfig:
    options = {
        "model_type": "modernbert",
        "config_overrides": OVERRIDES,
        "packing": True,
        "whole_word_mask": True,
        "gradient_accumulation_steps": 2,
        "per_device_train_batch_size": 2,
        "max_steps": 6,
        "save_steps": 0,
        "eval_steps": 6,
        "validation_file": [str(root / "corpus.txt")],
    }
    return TrainConfig.from_dict(settings(root, name, **{**options, **more}))


def test_a_stopped_modernbert_goes_on_exactly_and_is_evaluated_alike(root: Path) -> None:
    whole = run_training(config(root, "whole"))
    stopped = config(root, "stopped")
    assert run_training(stopped, callbacks=[SignalAt(3, signal.SIGTERM)])["stopped"]
    run_training(stopped)
    assert difference(root / "whole", root / "stopped") == 0.0
    written = json.loads((root / "whole" / "config.json").read_text())
    assert written["architectures"] == ["ModernBertForMaskedLM"]
    evaluation = {
        "model_name_or_path": str(root / "whole"),
        "validation_file": [str(root / "corpus.txt")],
        "max_seq_length": small.LENGTH,
        "cache_dir": str(root / "cache"),
        "whole_word_mask": True,
        "packing": True,
        "max_eval_samples": 8,
        "per_device_eval_batch_size": 3,
    }
    again = run_evaluation(EvaluateConfig.from_dict(evaluation))
    assert again["eval_loss"] == pytest.approx(whole["eval_loss"], rel=1e-5)
    assert again["eval_masked_tokens"] == whole["eval_masked_tokens"]


def test_streamed_texts_are_packed(root: Path) -> None:
    results = run_training(config(root, "streamed", streaming=True, max_steps=2))
    assert results["train_steps"] == 2


def test_others_are_refused_before_anything_is_written(root: Path) -> None:
    refused = config(root, "refused", model_type="albert", config_overrides=None)
    with pytest.raises(UserError, match="packing does not work with albert"):
        run_training(refused)
    assert not (root / "refused").exists()
