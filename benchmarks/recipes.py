"""The part `flags` of `quality.py`: one run of `tfmlm train` for each recipe's flags."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Any

SHAPE = "hidden_size=256,num_hidden_layers=4,num_attention_heads=4,intermediate_size=1024"
LINES = "--line_by_line"


def recipes(steps: int) -> list[str]:
    """The flags of each run, beside those that all have."""
    wsd = "--lr_scheduler_type wsd"
    return [
        "",
        "--mlm_probability 0.3",
        "--mlm_probability 0.3 --mlm_probability_end 0.05",
        wsd,
        f"{wsd} --decay_shape linear",
        LINES,
        f"{LINES} --group_by_length",
        "--per_device_train_batch_size 4 --gradient_accumulation_steps 4",
        "--per_device_train_batch_size 4 --gradient_accumulation_steps 4 "
        f"--batch_warmup_steps {steps // 2}",
        "--optim stable_adamw",
        "--optim stable_adamw --adam_beta2 0.95",
        f"{wsd} --save_steps {max(steps // 20, 1)} --average_checkpoints 4",
        "--gradient_checkpointing",
    ]


def flags(steps: int, file: Path, folder: Path) -> None:
    """Trains with each recipe from the same initial weights, and prints a row for each.

    Args:
        steps: of each run but the one by the clock, which has the time of the first.
        file: the corpus; one text in twenty is held out.
        folder: for tokenizer and blocks; may hold them already.
    """
    from tfmlm.data.corpus import files_corpus
    from tfmlm.data.tokenizer_training import train_tokenizer

    tokenizer = folder / "tokenizer"
    if not tokenizer.exists():
        train_tokenizer(files_corpus([str(file)]), "wordpiece", 8_000).save_pretrained(tokenizer)
    print("| flags | steps | seconds | held-out loss | top 1 |")
    print("|---|---|---|---|---|")
    first = None
    for line in recipes(steps):
        results = train(line, steps, file, folder)
        first = first or results
        print_row(line, results)
    assert first is not None
    hours = round((first["train_runtime"] + 30) / 3600, 4)
    line = f"--max_hours {hours:g}"
    print_row(line, train(line, -1, file, folder))


def print_row(line: str, results: dict[str, Any]) -> None:
    shown = f"`{line}`" if line else "none"
    print(
        f"| {shown} | {results['train_steps']} | {results['train_runtime']:.0f} | "
        f"{results['eval_loss']:.3f} | {results['eval_accuracy']:.3f} |",
        flush=True,
    )


def train(line: str, steps: int, file: Path, folder: Path) -> dict[str, Any]:
    """The results of a run with these flags."""
    import argparse

    from tfmlm.cli import train as command
    from tfmlm.cli._arguments import config_from_arguments
    from tfmlm.config import TrainConfig
    from tfmlm.training import run_training

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with tempfile.TemporaryDirectory() as output:
        common = f"""--train_file {file} --model_type bert --config_overrides {SHAPE}
            --tokenizer_name {folder / "tokenizer"} --cache_dir {folder / "cache"}
            --max_seq_length 128 --per_device_train_batch_size 16 --per_device_eval_batch_size 32
            --learning_rate 1e-3 --warmup_ratio 0.1 --max_steps {steps} --eval_strategy no
            --save_steps 100000 --output_dir {output}/model"""
        args = parser.parse_args(shlex.split(f"{common} {line}"))
        return run_training(config_from_arguments(args, TrainConfig))
