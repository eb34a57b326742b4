"""The Keras script runs as it stands, and what it writes can be used."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.processes import run
from tfmlm.config import TrainConfig
from tfmlm.demo.corpus import python_documentation

SCRIPT = Path(__file__).parents[2] / "examples" / "keras_fit.py"


def test_the_script_trains_exports_and_answers(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(python_documentation()[:400]), encoding="utf-8")
    start = tmp_path / "start"
    from tfmlm.training import run_training

    run_training(
        TrainConfig(
            train_file=(str(text),),
            model_type="bert",
            config_overrides="hidden_size=32,num_hidden_layers=1,num_attention_heads=2,"
            "intermediate_size=32,max_position_embeddings=128",
            train_tokenizer="wordpiece",
            vocab_size=600,
            max_seq_length=64,
            max_steps=2,
            output_dir=str(start),
            cache_dir=str(tmp_path / "cache"),
        )
    )
    result = tmp_path / "result"
    done = run(
        [
            sys.executable,
            str(SCRIPT),
            *("--model", str(start), "--text", str(text), "--output_dir", str(result)),
            *("--epochs", "1"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = done.stdout.splitlines()[-5:]
    assert all(" this is a" in answer for answer in answers), done.stdout
    assert (result / "export" / "1" / "saved_model.pb").exists()
    assert (result / "model.safetensors").exists()
