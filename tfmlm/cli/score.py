"""`tfmlm score`: how probable a model finds texts, token by token."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from tfmlm.cli._texts import JsonList, Texts, add_errors_argument, progress
from tfmlm.errors import UserError

if TYPE_CHECKING:
    from tfmlm.export.checking.scorer import ScoredText
    from tfmlm.score.scorers import Scorer

#: Texts of a picture: those beyond have no room.
_DRAWN = 60
HELP = "score texts: pseudo-log-likelihood and pseudo-perplexity, each token masked in turn"
EXAMPLE = """tfmlm score my_export "The cat sat on the mat." "The mat sat on the cat."
tfmlm score my_model --file sentences.txt --plot surprise.png
prints for each text its pseudo-perplexity (lower: less surprising), tokens, and sum of log p"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "target",
        help="export folder, checkpoint folder, a model's name on the Hub, "
        "http://host:port/v1/models/NAME, or grpc://host:port/NAME",
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts to score")
    parser.add_argument("--file", help="texts, one a line, besides those given")
    parser.add_argument(
        "--plot", metavar="FILE.png", help="draw a heat map of how surprising each token is"
    )
    parser.add_argument(
        "--allow_untrained_head",
        action="store_true",
        help="go on where a checkpoint lacks weights of its masked-LM head, with random ones",
    )
    parser.add_argument("--json", action="store_true", help="print every token's score as JSON")
    add_errors_argument(parser, "a text that holds nothing to score or is over the byte limit")


def run(args: argparse.Namespace) -> int:
    """Scores, prints, and draws."""
    texts = Texts(args.texts, args.file)
    if not texts:
        raise UserError("no text; give texts, or --file")
    if args.plot:
        from tfmlm.figures import check_path

        check_path(args.plot, "--plot")
    for number, text in enumerate(texts, start=1):
        if args.errors == "raise" and not text.strip():
            raise UserError(f"{texts.place(number)} holds no token to score: {text!r}")
    from tfmlm.score.scorers import open_scorer

    try:
        scorer = open_scorer(args.target, allow_untrained_head=args.allow_untrained_head)
        return _run(args, texts, scorer)
    except UserError as error:
        raise texts.located(error) from None


def _run(args: argparse.Namespace, texts: Texts, scorer: Scorer) -> int:
    from tfmlm.score.scorers import Totals

    total = Totals()
    drawn: list[ScoredText] = []
    with contextlib.ExitStack() as stack:
        on_rows = stack.enter_context(progress(len(texts)))
        printed = stack.enter_context(JsonList('{\n  "texts": ', "  ")) if args.json else None
        for one in scorer.score_each(texts, errors=args.errors, on_rows=on_rows):
            total.add(one)
            if one.status == "truncated":
                print(
                    f"{texts.place(total.texts)} is longer than the model takes: its first "
                    f"{one.token_count} tokens were scored",
                    file=sys.stderr,
                )
            if args.plot and len(drawn) < _DRAWN and one.token_count:
                drawn.append(one)
            if printed is not None:
                printed.add(report(one))
            else:
                _print(one)
    if args.json:
        figures = {
            "pseudo_perplexity": total.pseudo_perplexity,
            "token_count": total.token_count,
        }
        print("," + json.dumps(figures, indent=2)[1:])
    elif total.token_count and total.texts > 1:
        print(
            f"{total.texts} texts, {total.token_count} tokens: "
            f"pseudo-perplexity {total.pseudo_perplexity:.2f}"
        )
    if args.plot:
        from tfmlm.score.heat_map import plot_heat_map

        plot_heat_map(drawn, args.plot)
        print(args.plot, file=sys.stderr)
    return 0


def report(one: ScoredText) -> dict[str, Any]:
    """What `--json` prints of a text."""
    return {
        "text": one.text,
        "status": one.status,
        "pseudo_log_likelihood": one.pseudo_log_likelihood,
        "pseudo_perplexity": one.pseudo_perplexity,
        "token_count": one.token_count,
        "tokens": [
            {"token": token, "token_str": string, "score": score}
            for token, string, score in zip(one.token, one.token_str, one.score, strict=True)
        ],
    }


def _print(one: ScoredText) -> None:
    from rich.console import Console
    from rich.text import Text

    from tfmlm.score.heat_map import DARKEST, shorten

    console = Console(highlight=False)
    if not one.token_count:
        shown = one.text if len(one.text) <= 60 else one.text[:60] + "…"
        console.print(f"{shown!r} is not scored: {one.status}", style="dim", markup=False)
        console.print()
        return
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
