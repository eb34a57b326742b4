"""`tfmlm train`: a corpus and a masked LM to a checkpoint folder."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError

HELP = "train a masked LM on text: fine-tune a checkpoint, or start from scratch"
EXAMPLE = """\
tfmlm train --model_name_or_path distilroberta-base --train_file corpus.txt --output_dir out
tfmlm train --model_type bert --train_tokenizer wordpiece --vocab_size 8000 \\
    --config_overrides hidden_size=256,num_hidden_layers=4,num_attention_heads=4 \\
    --train_file 'texts/*.txt' --max_seq_length 128 --output_dir out
tfmlm train settings.yaml --output_dir out

writes the checkpoint (config.json, model.safetensors, tokenizer), README.md, *_results.json,
training.png, logs/ (TensorBoard) and checkpoints/; the same command again resumes a stopped run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from tfmlm.cli._arguments import add_config_arguments
    from tfmlm.cli._run_mlm import add_run_mlm_arguments
    from tfmlm.config import TrainConfig

    add_config_arguments(parser, TrainConfig)
    add_run_mlm_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(args: argparse.Namespace) -> int:
    from tfmlm.cli._arguments import config_from_arguments
    from tfmlm.config import TrainConfig

    config = config_from_arguments(args, TrainConfig, prepare=_as_in_run_mlm)
    from tfmlm.training.fit import run_training
    from tfmlm.training.push import finish_push, hub_callback
    from tfmlm.training.run_folder import undone_if_refused

    with undone_if_refused(Path(config.output_dir).expanduser()):
        push = hub_callback(config)
        results = run_training(config, callbacks=[push] if push else [])
    if args.json:
        from tfmlm.training.report import json_ready

        print(json.dumps(json_ready(results), indent=2))
    else:
        print_results(results, config.output_dir)
    finish_push(push, results)
    return 0


def _as_in_run_mlm(values: dict[str, Any]) -> None:
    """Translates flags of run_mlm.py; sets what this process needs of the environment."""
    from tfmlm.cli._run_mlm import take_run_mlm_flags

    translated = take_run_mlm_flags(values)
    os.environ.update(translated.environment)
    if translated.note:
        print(translated.note, file=sys.stderr)


def print_results(results: dict[str, Any], folder: str) -> None:
    """Prints the figures of a run and what to do next."""
    if results.get("stopped"):
        return
    print_figures(results)
    if "train_loss" in results:
        print(f"{'training loss':<28}{results['train_loss']:.4f}")
    print(f"\nCheckpoint: {folder}")
    mask = _mask_token(folder)
    if mask is None:
        return
    print("Next:")
    shown = shlex.quote(folder)
    print(f"  tfmlm fill {shown} {shlex.quote(f'This is a {mask}.')}")
    export = shlex.quote(f"{folder.rstrip('/')}/export")
    print(f"  tfmlm export --model_name_or_path {shown} --export_dir {export}")


def _mask_token(folder: str) -> str | None:
    """The mask token of the checkpoint that has just been written; None on a worker that is done
    before the one that writes it."""
    from tfmlm.checkpoint.load import load_tokenizer

    try:
        return load_tokenizer(str(Path(folder).expanduser())).mask_token
    except UserError:
        return None


def print_figures(results: dict[str, Any]) -> None:
    """Prints the figures of an evaluation, if there are any."""
    rows = [
        ("held-out loss", "eval_loss", ".4f"),
        ("guessing by frequency", "unigram_loss", ".4f"),
        ("perplexity", "perplexity", ".2f"),
        ("masked accuracy", "eval_accuracy", ".2%"),
        ("top-5 accuracy", "eval_top5_accuracy", ".2%"),
        ("masked tokens", "eval_masked_tokens", ",d"),
    ]
    for label, key, form in rows:
        if results.get(key) is not None:
            print(f"{label:<28}{results[key]:{form}}")
