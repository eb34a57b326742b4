"""`tfmlm evaluate`: held-out figures of a masked LM, the same number every time."""

from __future__ import annotations

import argparse
import json

HELP = "evaluate a masked LM on text, under masks that are always the same"
EXAMPLE = """\
tfmlm evaluate --model_name_or_path out --validation_file held_out.txt --json

prints eval_loss (nats per masked token, float32, weighted by token), perplexity, eval_accuracy,
eval_top5_accuracy and eval_masked_tokens"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from tfmlm.cli._arguments import add_config_arguments
    from tfmlm.config import EvaluateConfig

    add_config_arguments(parser, EvaluateConfig)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(args: argparse.Namespace) -> int:
    from tfmlm.cli._arguments import config_from_arguments
    from tfmlm.cli.train import print_figures
    from tfmlm.config import EvaluateConfig

    config = config_from_arguments(args, EvaluateConfig)
    from tfmlm.training.evaluate import run_evaluation

    figures = run_evaluation(config)
    if args.json:
        from tfmlm.training.report import json_ready

        print(json.dumps(json_ready(figures), indent=2))
    else:
        print_figures(figures)
    return 0
