"""The demo: corpus, tokenizer, model, evaluation, checkpoint, export, answers."""

from __future__ import annotations

import random
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfmlm.config import TrainConfig
from tfmlm.demo.corpus import python_documentation
from tfmlm.errors import UserError
from tfmlm.files import atomic_write, require_writable_folder, write_json

HELD_OUT_SHARE = 0.05
SENTENCES = (
    "If the file does not exist, an [MASK] is raised.",
    "This function returns a [MASK].",
    "The default value is [MASK].",
    "Open the [MASK] for writing.",
    "The [MASK] argument is [MASK].",
)
# A BERT of two layers learns most in a minute of two cores from short whole paragraphs, packed so
# that no work goes into padding, with many masks and at a high learning rate; larger initial
# weights let attention start sooner.
SETTINGS: dict[str, Any] = {
    "model_type": "bert",
    "config_overrides": (
        "hidden_size=128,num_hidden_layers=2,num_attention_heads=2,intermediate_size=512,"
        "max_position_embeddings=128,initializer_range=0.05,"
        "hidden_dropout_prob=0,attention_probs_dropout_prob=0"
    ),
    "train_tokenizer": "wordpiece",
    "vocab_size": 4000,
    "line_by_line": True,
    "packing": True,
    "max_seq_length": 32,
    "mlm_probability": 0.3,
    "per_device_train_batch_size": 64,
    "per_device_eval_batch_size": 128,
    "learning_rate": 3e-3,
    "warmup_ratio": 0.1,
    "adam_beta2": 0.98,
    "num_train_epochs": 6.0,
}


def run_demo(output_dir: str, epochs: float | None = None) -> dict[str, Any]:
    """Runs the whole path and writes `model/`, `export/1/` and `corpus/` in `output_dir`.

    Args:
        output_dir: a folder that is empty, missing, or holds a former demo.
        epochs: passes over the corpus, instead of the demo's own number.

    Returns:
        The figures that `demo_results.json` holds: losses in nats a masked token, seconds.

    Raises:
        UserError: the folder cannot be used, or this Python has no documentation.
    """
    started = time.monotonic()
    folder = _output_folder(output_dir)
    _say(1, "Corpus: the documentation that comes with Python")
    train_file, validation_file, size = _write_corpus(folder / "corpus")
    print(f"  {size:,} bytes of English prose in {train_file.parent}")

    _say(2, "Tokenizer and model from scratch, then training")
    settings = SETTINGS | ({} if epochs is None else {"num_train_epochs": epochs})
    model_dir = folder / "model"
    results = _train(settings, train_file, validation_file, model_dir)

    _say(3, "Evaluation on text the model has not seen (nats a masked token, lower is better)")
    for name, key in (
        ("before training", "initial_eval_loss"),
        ("word frequencies alone", "unigram_loss"),
        ("after training", "eval_loss"),
    ):
        print(f"  {name:<24}{results[key]:7.3f}")

    _say(4, "Export with the tokenizer in the graph, compared with the checkpoint")
    version_dir, self_test = _export(model_dir, folder / "export")
    print(
        f"  {version_dir}: {self_test['masks']} masks in {self_test['texts']} texts, best word as "
        f"the checkpoint's in {self_test['top1_agreement']:.1%}, probabilities within "
        f"{self_test['largest_score_difference']:.0e}"
    )

    _say(5, "Answers of the SavedModel")
    _answer(version_dir, SENTENCES)

    figures = {
        "corpus_bytes": size,
        "initial_eval_loss": results["initial_eval_loss"],
        "unigram_loss": results["unigram_loss"],
        "eval_loss": results["eval_loss"],
        "eval_accuracy": results["eval_accuracy"],
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(folder / "demo_results.json", figures)
    _say(6, f"Done in {figures['seconds']:.0f} seconds. Next:")
    print(_next_steps(settings, train_file, validation_file, model_dir, folder / "export"))
    return figures


def _say(number: int, text: str) -> None:
    sys.stderr.flush()
    print(f"\n[{number}/6] {text}", flush=True)


def _output_folder(output_dir: str) -> Path:
    folder = require_writable_folder(output_dir)
    foreign = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    if foreign - {"corpus", "model", "export", "demo_results.json"}:
        raise UserError(
            f"output folder {folder} holds other files ({min(foreign)}); give a new one with "
            "--output_dir"
        )
    for name in ("model", "export"):
        if (folder / name).exists():
            raise UserError(
                f"output folder {folder} holds a former demo; delete it, or give a new one with "
                "--output_dir"
            )
    return folder


def _write_corpus(folder: Path) -> tuple[Path, Path, int]:
    paragraphs = python_documentation()
    random.Random(0).shuffle(paragraphs)
    held_out = round(len(paragraphs) * HELD_OUT_SHARE)
    parts = {"train.txt": paragraphs[held_out:], "validation.txt": paragraphs[:held_out]}
    size = 0
    for name, lines in parts.items():
        text = "\n".join(lines) + "\n"
        size += len(text.encode())
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / "train.txt", folder / "validation.txt", size


def _train(
    settings: dict[str, Any], train_file: Path, validation_file: Path, model_dir: Path
) -> dict[str, Any]:
    from tfmlm.training import run_training

    config = TrainConfig(
        **settings,
        train_file=(str(train_file),),
        validation_file=(str(validation_file),),
        output_dir=str(model_dir),
        eval_on_start=True,
        save_steps=0,
    )
    return run_training(config)


def _export(model_dir: Path, export_dir: Path) -> tuple[str, dict[str, Any]]:
    from tfmlm.export import export_saved_model
    from tfmlm.export.loader import read_record

    path = export_saved_model(
        str(model_dir), None, export_dir, progress=lambda message: print(f"  {message} …")
    )
    return path, read_record(Path(path))["self_test"]


def _answer(version_dir: str, sentences: Sequence[str]) -> None:
    from tfmlm.cli._fill_output import print_tables
    from tfmlm.export import load

    answers = load(version_dir).fill(list(sentences), top_k=3)
    masks = [item if isinstance(item[0], list) else [item] for item in answers]
    print_tables(list(sentences), masks)


def _next_steps(
    settings: dict[str, Any], train_file: Path, validation_file: Path, model: Path, export: Path
) -> str:
    flags = [f"--train_file {train_file}", f"--validation_file {validation_file}"]
    for name, value in settings.items():
        flags.append(f"--{name}" if value is True else f"--{name} {shlex.quote(str(value))}")
    lines = "".join(f" \\\n      {flag}" for flag in flags)
    sentence = shlex.quote(SENTENCES[0])
    return f"""
  Ask it more, see what is in the export, serve it:
    tfmlm fill {export} {sentence}
    tfmlm inspect {export}
    tfmlm serve --model_name mlm --model_base_path {export.resolve()}

  Train on a text of your own, from a model of the Hub, and export it:
    tfmlm train --model_name_or_path distilroberta-base --train_file my.txt --output_dir my_model
    tfmlm export --model_name_or_path my_model --export_dir my_export

  What this demo trained, as one command:
    tfmlm train{lines} \\
      --output_dir {model}-again
"""
