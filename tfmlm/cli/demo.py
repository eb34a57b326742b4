"""`tfmlm demo`: the whole path on a corpus that every Python has, with no network."""

from __future__ import annotations

import argparse

HELP = "the whole path in under two minutes: corpus, model, evaluation, export, answers"
EXAMPLE = """tfmlm demo --output_dir tfmlm-demo
leaves tfmlm-demo/model (a checkpoint folder) and tfmlm-demo/export/1 (a SavedModel)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "--output_dir", default="tfmlm-demo", help="folder of the results (default: tfmlm-demo)"
    )
    parser.add_argument(
        "--num_train_epochs", type=float, help="passes over the corpus (default: the demo's own)"
    )


def run(args: argparse.Namespace) -> None:
    """Runs the demo and prints its figures and answers."""
    from tfmlm.demo.run import run_demo
    from tfmlm.errors import UserError

    if args.num_train_epochs is not None and not args.num_train_epochs > 0:
        raise UserError(f"--num_train_epochs is {args.num_train_epochs:g}; it must be over 0")
    run_demo(args.output_dir, args.num_train_epochs)
