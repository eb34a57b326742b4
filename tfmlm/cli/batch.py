"""`tfmlm batch`: an export over files of texts."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tfmlm.errors import RunFailedError, UserError

if TYPE_CHECKING:
    from tfmlm.batch.files import Progress, Report

HELP = "fill or score the texts of parquet, csv and JSON lines files, resumable, in bounded memory"
EXAMPLE = """tfmlm batch my_export --input 'shards/*.parquet' --text_column text --output filled
tfmlm batch my_export --input texts.csv.gz --output filled --targets good,bad --num_workers 2
tfmlm batch my_export --input texts.jsonl --output scored --signature score_text
writes for each file one of the same name ending in .parquet, with its columns and
fills, filled, mask_count, status (or tokens, pseudo_log_likelihood, token_count, status)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument("export", help="export folder, or one version of it")
    parser.add_argument(
        "--input",
        nargs="+",
        action="extend",
        required=True,
        metavar="FILE",
        help="files, folders, globs or URLs (s3://, gs://) of parquet, csv, tsv, jsonl; the "
        "latter three also compressed (.gz, .bz2, .xz, .zst)",
    )
    parser.add_argument(
        "--text_column", default="text", help="column with the texts (default: text)"
    )
    parser.add_argument("--output", required=True, help="folder or URL for the results")
    parser.add_argument("--top_k", type=int, help="words for each mask (default: 5)")
    parser.add_argument(
        "--targets", help="score these words alone, separated by commas", metavar="WORD,WORD"
    )
    parser.add_argument(
        "--signature",
        default="fill_mask",
        choices=("fill_mask", "score_text"),
        help="what is computed (default: fill_mask)",
    )
    parser.add_argument(
        "--num_workers", type=int, default=1, help="processes that share the processors (1)"
    )
    parser.add_argument(
        "--max_tokens", type=int, help="tokens of a run of the model: memory follows from it"
    )
    parser.add_argument(
        "--output_prefix", default="", help="what the names of the added columns begin with"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        default=True,
        help="go on with what an earlier run left in the output folder (default)",
    )
    parser.add_argument(
        "--no_resume",
        dest="resume",
        action="store_false",
        help="refuse a folder that holds results",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Fills the files and prints a summary."""
    targets = None
    if args.targets is not None:
        targets = [word for word in args.targets.split(",") if word.strip()]
        if not targets:
            raise UserError("--targets is empty; give words separated by commas")
    from tfmlm.batch.files import fill_files

    with _bar() as on_progress:
        report = fill_files(
            args.export,
            args.input,
            args.output,
            text_column=args.text_column,
            signature=args.signature,
            top_k=args.top_k,
            targets=targets,
            max_tokens=args.max_tokens,
            num_workers=args.num_workers,
            resume=args.resume,
            output_prefix=args.output_prefix,
            on_progress=on_progress,
        )
    if args.json:
        # Not `asdict`, which makes a Counter of the pairs of a Counter.
        values = {**vars(report), "statuses": dict(report.statuses)}
        print(json.dumps(values, indent=2, ensure_ascii=False))
    else:
        _print(report, args.output)
    if report.failed:
        shown = "; ".join(report.failed.values())
        every = len(report.failed) + len(report.written) + len(report.skipped)
        raise RunFailedError(f"{len(report.failed)} of {every} files failed: {shown}")
    return 0


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Progress], None] | None]:
    """A progress bar on a terminal, with rows a second and the time left."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars
    from rich.console import Console

    bar = bars.Progress(
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[rows]:,} rows"),
        bars.TextColumn("{task.fields[speed]}"),
        bars.TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=1.0, rows=0, speed="", left="")

    def show(progress: Progress) -> None:
        seconds = progress.seconds
        speed = f"{progress.rows / seconds:,.0f} rows/s" if progress.rows and seconds else ""
        left = "" if progress.seconds_left is None else f"{_time(progress.seconds_left)} left"
        bar.update(task, completed=progress.share, rows=progress.rows, speed=speed, left=left)

    with bar:
        yield show


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _print(report: Report, output: str) -> None:
    earlier = f", {len(report.skipped)} were done before" if report.skipped else ""
    print(f"{len(report.written)} files written to {output}{earlier}")
    if report.rows:
        speed = report.rows / max(report.seconds, 1e-9)
        print(f"{report.rows:,} rows in {_time(report.seconds)} ({speed:,.0f} rows/s)")
    for status, rows in report.statuses.most_common():
        print(f"{rows:>12,}  {status}")
