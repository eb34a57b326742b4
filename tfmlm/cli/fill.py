"""`tfmlm fill`: fills the masks of texts with an export, a checkpoint, or a server."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
from typing import TYPE_CHECKING, Any

from tfmlm.cli._texts import JsonList, Texts, add_errors_argument, progress
from tfmlm.errors import UserError

if TYPE_CHECKING:
    from tfmlm.cli._fill_targets import Filler

#: Texts of a picture: those beyond have no room.
_DRAWN = 12

HELP = "fill the masks of texts with an export, a checkpoint folder, or a running server"
EXAMPLE = """tfmlm fill exports/my_model "Paris is the [MASK] of France."
tfmlm fill my_model "Paris is the [MASK] of France." --targets capital,city --json
tfmlm fill http://localhost:8501/v1/models/my_model --file texts.txt --plot words.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "target",
        help="export folder, checkpoint folder, a model's name on the Hub, "
        "http://host:port/v1/models/NAME, or grpc://host:port/NAME",
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts with mask tokens")
    parser.add_argument("--file", help="texts, one a line, besides those given")
    parser.add_argument("--top_k", type=int, help="words for each mask (default: the target's)")
    parser.add_argument(
        "--targets", help="score these words alone, separated by commas", metavar="WORD,WORD"
    )
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument(
        "--allow_untrained_head",
        action="store_true",
        help="go on where a checkpoint lacks weights of its masked-LM head, with random ones",
    )
    parser.add_argument("--plot", metavar="FILE.png", help="draw the words' probabilities")
    parser.add_argument("--json", action="store_true", help="print the pipeline's lists as JSON")
    add_errors_argument(parser, "a text without a mask or over the byte limit")


def run(args: argparse.Namespace) -> int:
    """Fills, prints, and draws."""
    from tfmlm.cli._fill_targets import open_target

    texts = Texts(args.texts, args.file)
    if not texts:
        raise UserError("no text; give texts with a mask token, or --file")
    if args.top_k is not None and args.top_k < 1:
        raise UserError(f"--top_k is {args.top_k}; it must be at least 1")
    words = [w for w in args.targets.split(",") if w.strip()] if args.targets is not None else None
    if words is not None and not words:
        raise UserError("--targets is empty; give words separated by commas")
    if args.plot:
        from tfmlm.figures import check_path

        check_path(args.plot, "--plot")

    def look(mask_token: str) -> None:
        from tfmlm.export.answers import refuse_unfilled

        for number, text in enumerate(texts, start=1):
            # Some tokenizers know the mask token in any case.
            if args.errors == "raise" and mask_token.casefold() not in text.casefold():
                raw = text.encode("utf-8", "replace")
                refuse_unfilled(number, len(texts) == 1, raw, "no_mask", mask_token)

    try:
        filler = open_target(
            args.target,
            args.revision,
            look,
            allow_untrained_head=args.allow_untrained_head,
        )
        return _run(args, texts, words, filler)
    except UserError as error:
        raise texts.located(error) from None


def _run(args: argparse.Namespace, texts: Texts, words: list[str] | None, filler: Filler) -> int:
    from tfmlm.cli._fill_output import print_tables

    drawn: list[tuple[str, list[Any]]] = []
    with contextlib.ExitStack() as stack:
        on_rows = stack.enter_context(progress(len(texts)))
        printed = stack.enter_context(JsonList()) if args.json else None
        asked, beside = itertools.tee(texts)
        answers = filler.fill_each(asked, args.top_k, words, errors=args.errors, on_rows=on_rows)
        for item, text in zip(answers, beside, strict=True):
            row = item if _has_several_masks(item) or not item else [item]
            if args.plot and any(row) and len(drawn) < _DRAWN:
                drawn.append((text, row))
            if printed is not None:
                printed.add({"text": text, "masks": row})
            else:
                print_tables([text], [row])
    if printed is not None:
        print()
    if args.plot:
        if not drawn:
            raise UserError(f"--plot {args.plot}: no text was filled, so there is nothing to draw")
        from tfmlm.score import plot_fills

        plot_fills([text for text, _ in drawn], [row for _, row in drawn], args.plot)
        print(args.plot, file=sys.stderr)
    return 0


def _has_several_masks(item: list[Any]) -> bool:
    return bool(item) and isinstance(item[0], list)
