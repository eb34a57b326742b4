"""A model that knows nothing has the loss of guessing: log of the vocabulary."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.training import small
from tfmlm.checkpoint.save import save_model
from tfmlm.config import EvaluateConfig
from tfmlm.training.evaluate import run_evaluation


def test_equal_logits_have_the_loss_of_guessing(tmp_path: Path) -> None:
    tokenizer, model = small.tokenizer(), small.model()
    for weight in model.weights:
        weight.assign(weight * 0)
    save_model(model, tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    settings = {
        "model_name_or_path": str(tmp_path / "model"),
        "validation_file": [str(small.write_corpus(tmp_path / "corpus.txt"))],
        "max_seq_length": small.LENGTH,
        "max_eval_samples": 6,
        "per_device_eval_batch_size": 4,
        "cache_dir": str(tmp_path / "cache"),
        "output_dir": str(tmp_path / "out"),
    }
    figures = run_evaluation(EvaluateConfig.from_dict(settings))
    assert figures["eval_loss"] == pytest.approx(math.log(len(tokenizer)), abs=1e-5)
    assert figures["perplexity"] == pytest.approx(len(tokenizer), rel=1e-5)
    assert figures["eval_samples"] == 6
    assert 0 < figures["eval_masked_tokens"] < 6 * small.LENGTH
    assert json.loads((tmp_path / "out" / "eval_results.json").read_text()) == figures
    assert len(list((tmp_path / "out").iterdir())) == 1
