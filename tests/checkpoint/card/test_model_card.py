"""The model card: valid metadata, right links, the figures of the run, no secrets."""

from __future__ import annotations

import ast
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load
from huggingface_hub.utils import validate_repo_id

from tests.architectures.reference import python_with
from tests.hub.small import TOKEN, make_folder, make_model
from tfmlm.checkpoint.card.model_card import card_from_keras, model_card, with_training_loss

ROOT = Path(__file__).parents[3]
CONFIG = {
    "train_file": ["/home/ada/secret project/train.txt"],
    "validation_split_percentage": 5,
    "mlm_probability": 0.15,
    "learning_rate": 5e-5,
    "num_train_epochs": 3.0,
    "max_steps": -1,
    "seed": 42,
    "whole_word_mask": False,
    "model_type": None,
}
RESULTS = {
    "eval_loss": 1.5,
    "perplexity": 4.4817,
    "eval_accuracy": 0.625,
    "eval_top5_accuracy": 0.8,
    "eval_masked_tokens": 12345,
    "train_loss": 2.0,
    "train_steps": 30,
}
HISTORY = [
    {"epoch": 1.0, "step": 10, "loss": 3.0, "eval_loss": 2.0, "perplexity": 7.389},
    {"epoch": 2.0, "step": 20, "loss": 2.0, "eval_loss": 1.5, "perplexity": 4.4817},
]


def card(**changes) -> str:
    arguments = {
        "name": "ada/news-model",
        "config": CONFIG,
        "results": RESULTS,
        "mask_token": "<mask>",
        "base_model": "roberta-base",
        "history": HISTORY,
        **changes,
    }
    return model_card(**arguments)


def metadata(text: str, tmp_path, caplog) -> dict:
    """The metadata, after every check of huggingface_hub that needs no network."""
    with caplog.at_level(logging.WARNING):
        parsed = ModelCard(text, ignore_metadata_errors=False)
    assert not caplog.records, "huggingface_hub warns about the card"
    for name in (parsed.data.base_model, *(parsed.data.datasets or [])):
        if name:
            validate_repo_id(name)
    path = tmp_path / "README.md"
    path.write_text(text, encoding="utf-8")
    loaded = metadata_load(path)
    assert loaded == parsed.data.to_dict() == yaml.safe_load(parsed.data.to_yaml())
    return loaded


def test_the_metadata_is_valid_and_says_what_the_model_is(tmp_path, caplog):
    found = metadata(card(language=["en", "de"], license="apache-2.0"), tmp_path, caplog)
    assert found["pipeline_tag"] == "fill-mask"
    assert found["library_name"] == "transformers"
    assert found["base_model"] == "roberta-base"
    assert found["language"] == ["en", "de"] and found["license"] == "apache-2.0"
    assert found["metrics"] == ["perplexity", "accuracy"]
    assert all(w["text"].count("<mask>") == 1 for w in found["widget"]) and len(found["widget"]) > 1
    assert "model-index" not in found, "the index wants a data set of the Hub"


def test_a_data_set_of_the_hub_is_linked_and_indexed(tmp_path, caplog):
    config = {**CONFIG, "train_file": None, "dataset_name": "ada/news", "dataset_config_name": "de"}
    text = card(config=config)
    found = metadata(text, tmp_path, caplog)
    assert found["datasets"] == ["ada/news"]
    assert "[ada/news](https://huggingface.co/datasets/ada/news), `de`" in text
    (index,) = found["model-index"]
    assert index["name"] == "news-model"
    (result,) = index["results"]
    assert result["task"]["type"] == "fill-mask"
    assert result["dataset"] == {"name": "ada/news", "type": "ada/news", "config": "de"}
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values == {"perplexity": 4.4817, "accuracy": 0.625}


def test_the_base_model_is_linked_and_a_local_one_is_not(tmp_path, caplog):
    assert "fine-tuned from [roberta-base](https://huggingface.co/roberta-base)" in card()
    local = tmp_path / "base"
    local.mkdir()
    for name in ("", None, str(local), "./base", "~/base"):
        text = card(base_model=name)
        assert "[](" not in text and "fine-tuned from" not in text
        assert "base_model" not in metadata(text, tmp_path, caplog)
    assert "trained from scratch" in card(base_model=None, config={**CONFIG, "model_type": "bert"})


def test_figures_and_how_they_were_measured():
    text = card()
    for row in (
        "| Held-out loss | 1.5 |",
        "| Perplexity | 4.482 |",
        "| Masked accuracy | 0.625 |",
        "| Masked tokens evaluated | 12,345 |",
        "| 1 | 10 | 3 | 2 | 7.389 |",
        "| 2 | 20 | 2 | 1.5 | 4.482 |",
        "| learning_rate | 5e-05 |",
        "| seed | 42 |",
    ):
        assert row in text
    assert "15% of the tokens" in text and "(seed 42)" in text and "exponential" in text
    assert "max_steps" not in text and "whole_word_mask" not in text
    assert "](training.png)" in text and "](training.png)" not in card(curve=None)


def test_infinite_and_missing_figures_are_left_out(tmp_path, caplog):
    text = card(results={"eval_loss": float("nan"), "perplexity": float("inf")}, history=None)
    assert "nan" not in text and "inf " not in text and "## Results" not in text
    assert "metrics" not in metadata(text, tmp_path, caplog)


def test_paths_and_tokens_are_not_published():
    text = card(config={**CONFIG, "seed": TOKEN})
    assert "`train.txt`" in text and "secret project" not in text
    assert TOKEN not in text and "hf_Adas" not in text


def test_odd_characters_keep_table_and_metadata_whole(tmp_path, caplog):
    text = card(
        mask_token="<|mask|>: 'x'",
        config={**CONFIG, "train_file": ["a|b.txt"]},
        hyperparameters={"name|x": "line\nbreak"},
        tags="with: colon",
    )
    found = metadata(text, tmp_path, caplog)
    assert found["mask_token"] == "<|mask|>: 'x'" and "with: colon" in found["tags"]
    assert "| name\\|x | line break |" in text


def test_how_to_serve_it():
    text = card()
    assert "tfmlm export --model_name_or_path ada/news-model --export_dir export/news-model" in text
    assert "/v1/models/news-model:predict" in text and "tensorflow/serving" in text


def test_training_loss_between_evaluations():
    curve = [
        {"step": 4, "epoch": 0.4, "loss": 4.0},
        {"step": 8, "epoch": 0.8, "loss": 3.0},
        {"step": 12, "epoch": 1.2, "loss": 2.0},
    ]
    evaluations = [{"step": 8, "epoch": 0.8}, {"step": 12, "epoch": 1.2}]
    assert [row["loss"] for row in with_training_loss(evaluations, curve)] == [3.5, 2.0]
    assert with_training_loss([{"step": 2}], curve)[0]["loss"] == 4.0
    assert "loss" not in with_training_loss([{"step": 0}], curve)[0]
    by_epoch = with_training_loss([], curve)
    assert [(row["step"], row["loss"]) for row in by_epoch] == [(8, 3.5), (12, 2.0)]
    assert with_training_loss([], []) == []


def test_the_card_of_a_keras_run(tmp_path, tokenizer, caplog):
    model = make_model()
    history = [{"epoch": 1, "step": 5, "loss": 3.0, "val_loss": 2.0}]
    text = card_from_keras(
        model, tokenizer, repo_id="ada/m", history=history, output_dir=tmp_path, license="mit"
    )
    found = metadata(text, tmp_path, caplog)
    assert found["license"] == "mit" and found["widget"][0]["text"].count("[MASK]") == 1
    assert "Keras' `val_loss`" in text and "| 1 | 5 | 3 | 2 | 7.389 |" in text
    assert "learning_rate" in text and "training.png" not in text


def test_the_first_block_runs_where_tfmlm_is_and_where_pytorch_is(tmp_path: Path) -> None:
    """As it stands in the card, in a process of each; the answers are the same."""
    make_folder(tmp_path / "model")
    text = card(name="model", mask_token="[MASK]", base_model=None)
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None and "import tfmlm" in block[1]
    answers = []
    for python in (sys.executable, python_with(4)):
        # PyTorch's environment has no tfmlm, not even from this working folder.
        here = {"PYTHONPATH": str(ROOT)} if python == sys.executable else {"PYTHONPATH": ""}
        done = subprocess.run(
            [python, "-c", block[1]],
            cwd=tmp_path,
            env=os.environ | here,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        answers.append(ast.literal_eval(done.stdout.splitlines()[-1]))
    ours, theirs = answers
    assert [a["token"] for a in ours] == [a["token"] for a in theirs]
    assert [a["score"] for a in ours] == pytest.approx([a["score"] for a in theirs], abs=1e-5)
