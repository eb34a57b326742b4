"""`tfmlm score`: how probable a model finds texts, token by token."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from tfmlm.errors import UserError

if TYPE_CHECKING:
    from tfmlm.export.checking.scorer import ScoredText

HELP = "score texts: pseudo-log-likelihood and pseudo-perplexity, each token masked in turn"
EXAMPLE = """tfmlm score my_export "The cat sat on the mat." "The mat sat on the cat."
tfmlm score my_model --file sentences.txt --plot surprise.png
prints for each text its pseudo-perplexity (lower: less surprising), tokens, and sum of log p"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument("target", help="export folder or checkpoint folder")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts to score")
    parser.add_argument("--file", help="texts, one a line, besides those given")
    parser.add_argument(
        "--plot", metavar="FILE.png", help="draw a heat map of how surprising each token is"
    )
    parser.add_argument("--json", action="store_true", help="print every token's score as JSON")


def run(args: argparse.Namespace) -> int:
    """Scores, prints, and draws."""
    texts = list(args.texts)
    if args.file:
        from tfmlm.cli._texts import read_lines

        texts += read_lines(args.file)
    if not texts:
        raise UserError("no text; give texts, or --file")
    if args.plot:
        from tfmlm.score.figures import check_path

        check_path(args.plot, "--plot")
    from tfmlm.score.scorers import open_scorer

    scored = open_scorer(args.target).score(texts)
    for number, one in enumerate(scored, start=1):
        if one.status == "truncated":
            print(
                f"text {number} is longer than the model takes: its first {one.token_count} "
                "tokens were scored",
                file=sys.stderr,
            )
    if args.plot:
        from tfmlm.score.heat_map import plot_heat_map

        plot_heat_map(scored, args.plot)
        print(args.plot, file=sys.stderr)
    if args.json:
        print(json.dumps(report(scored), indent=2, ensure_ascii=False))
    else:
        _print(scored)
    return 0


def report(scored: list[ScoredText]) -> dict[str, Any]:
    """What `--json` prints: the figures of all texts together, and of each."""
    from tfmlm.score.scorers import corpus_pseudo_perplexity

    return {
        "pseudo_perplexity": corpus_pseudo_perplexity(scored),
        "token_count": sum(one.token_count for one in scored),
        "texts": [
            {
                "text": one.text,
                "status": one.status,
                "pseudo_log_likelihood": one.pseudo_log_likelihood,
                "pseudo_perplexity": one.pseudo_perplexity,
                "token_count": one.token_count,
                "tokens": [
                    {"token": token, "token_str": string, "score": score}
                    for token, string, score in zip(
                        one.token, one.token_str, one.score, strict=True
                    )
                ],
            }
            for one in scored
        ],
    }


def _print(scored: list[ScoredText]) -> None:
    from rich.console import Console
    from rich.text import Text

    from tfmlm.score.heat_map import DARKEST, shorten
    from tfmlm.score.scorers import corpus_pseudo_perplexity

    console = Console(highlight=False)
    for one in scored:
        line = Text()
        for string, score in zip(one.token_str, one.score, strict=True):
            share = min(-score / DARKEST, 1.0)
            red, green, blue = 255, int(245 - 175 * share), int(200 - 160 * share)
            line.append(f" {shorten(string)} ", style=f"black on rgb({red},{green},{blue})")
        console.print(line)
        worst = min(range(len(one.score)), key=one.score.__getitem__)
        console.print(
            f"pseudo-perplexity {one.pseudo_perplexity:.2f}   tokens {one.token_count}   "
            f"pseudo-log-likelihood {one.pseudo_log_likelihood:.2f}   "
            f"most surprising: {shorten(one.token_str[worst])} ({one.score[worst]:.2f})",
            markup=False,
            soft_wrap=True,
        )
        console.print()
    if len(scored) > 1:
        console.print(
            f"{len(scored)} texts, {sum(one.token_count for one in scored)} tokens: "
            f"pseudo-perplexity {corpus_pseudo_perplexity(scored):.2f}"
        )
