"""`tfmlm doctor`: what this machine has for tfmlm, with remedies."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

HELP = "what this machine has: packages, Keras, processor, GPU, caches, with remedies"
EXAMPLE = """tfmlm doctor
tfmlm doctor --json > environment.json    to paste into a bug report"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the facts; 1 if one of them keeps tfmlm from working."""
    from tfmlm.doctor import PROBLEM, examine

    facts = examine()
    if args.json:
        print(json.dumps([asdict(fact) for fact in facts], indent=2, ensure_ascii=False))
    else:
        from rich.console import Console
        from rich.table import Table

        marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "problem": "[bold red]problem[/]"}
        table = Table(show_header=False, box=None, pad_edge=False)
        for fact in facts:
            remedy = f"\n→ {fact.remedy}" if fact.remedy else ""
            text = f"{fact.value}{remedy}".replace("[", "\\[")
            table.add_row(marks[fact.status], fact.name, text)
        Console(highlight=False).print(table)
    return int(any(fact.status == PROBLEM for fact in facts))
