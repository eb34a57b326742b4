"""The demo, shortened, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf


def demo(
    *arguments: str, cwd: Path, home: Path, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HF_"))}
    environment |= {"HOME": str(home), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tfmlm", "demo", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == expect, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo of a quarter of an epoch in an empty folder with an empty home."""
    folder = tmp_path_factory.mktemp("demo")
    home = tmp_path_factory.mktemp("home")
    done = demo("--num_train_epochs", "0.25", cwd=folder, home=home)
    return folder / "tfmlm-demo", done.stdout


def test_it_leaves_a_checkpoint_and_an_export(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    names = {path.name for path in (folder / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert {"eval_results.json", "train_results.json", "training.png"} <= names
    assert (folder / "export" / "1" / "saved_model.pb").exists()
    assert [path.name for path in (folder / "export").iterdir()] == ["1"]


def test_it_prints_losses_answers_and_the_next_commands(finished: tuple[Path, str]) -> None:
    folder, output = finished
    figures = json.loads((folder / "demo_results.json").read_text())
    assert figures["corpus_bytes"] >= 1_000_000
    for key in ("initial_eval_loss", "unigram_loss", "eval_loss"):
        assert f"{figures[key]:7.3f}" in output
    assert figures["eval_loss"] < figures["initial_eval_loss"]
    assert "If the file does not exist, an [MASK] is raised." in output
    for command in ("tfmlm fill", "tfmlm inspect", "tfmlm serve", "tfmlm train", "tfmlm export"):
        assert f"    {command} " in output


def test_the_export_answers_raw_strings_without_tfmlm(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    code = (
        "import sys, tensorflow as tf, tensorflow_text\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "out = model.signatures['serving_default'](text=tf.constant(['The [MASK] is [MASK].']))\n"
        "assert 'tfmlm' not in sys.modules and 'transformers' not in sys.modules\n"
        "print(out['mask_count'].numpy().tolist(), out['score'].shape)\n"
    )
    path = str(folder / "export" / "1")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout == "[2] (1, 2, 5)\n", done.stderr[-2000:]


def test_the_checkpoint_loads_in_transformers(finished: tuple[Path, str]) -> None:
    from transformers import AutoTokenizer, TFAutoModelForMaskedLM

    folder, _ = finished
    model = TFAutoModelForMaskedLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    logits = model(tokenizer("The [MASK].", return_tensors="tf")).logits
    assert bool(tf.reduce_all(tf.math.is_finite(logits)))
    assert logits.shape[-1] == len(tokenizer)


def test_a_former_demo_is_not_overwritten(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = finished
    done = demo(cwd=folder.parent, home=tmp_path, expect=2)
    assert "holds a former demo" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_foreign_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert "mine.txt" in demo("--output_dir", ".", cwd=tmp_path, home=tmp_path, expect=2).stderr
    done = demo("--output_dir", "mine.txt", cwd=tmp_path, home=tmp_path, expect=2)
    assert "is a file" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
