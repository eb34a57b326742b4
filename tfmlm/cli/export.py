"""`tfmlm export`: a checkpoint becomes a SavedModel that takes raw strings."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HELP = "write a checkpoint as a SavedModel for TF Serving, with the tokenizer in the graph"
EXAMPLE = """tfmlm export --model_name_or_path my_model --export_dir exports/my_model
tfmlm export --model_name_or_path my_model --export_dir exports/my_model --top_k 10 --dtype bf16
prints: exports/my_model/1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "--model_name_or_path", required=True, help="checkpoint folder, or a model's name"
    )
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--tokenizer_name", help="tokenizer, if it is not beside the model")
    parser.add_argument(
        "--export_dir", required=True, help="folder of the versions, as the server is given it"
    )
    parser.add_argument("--model_version", type=int, help="number of the version (default: next)")
    parser.add_argument("--top_k", type=int, default=5, help="words for each mask (default: 5)")
    parser.add_argument(
        "--max_top_k", type=int, help="most words a request may ask for (default: the vocabulary)"
    )
    parser.add_argument(
        "--max_length", type=int, help="tokens of a text's window (default: what the model takes)"
    )
    parser.add_argument(
        "--max_text_bytes", type=int, default=65_536, help="longer texts are not read"
    )
    parser.add_argument(
        "--dtype",
        choices=("fp32", "float32", "bf16", "bfloat16", "int8", "auto"),
        default="float32",
        help="bf16: half the size, for processors with units for it; int8: a quarter of the size, "
        "scales set by the texts of --warmup_file; auto: makes all and keeps the one that answers "
        "soonest on this machine (default: float32)",
    )
    parser.add_argument(
        "--min_agreement",
        type=float,
        help="refuse an export whose best word is the checkpoint's at a smaller share of the masks "
        "compared (default: 0.95 with int8 and auto, else no bound)",
    )
    parser.add_argument(
        "--self_test",
        choices=("quick", "full"),
        default="quick",
        help="full: compare the tokenizer's graph with the fast tokenizer on every code point, in "
        "minutes (default: quick, a sample of them)",
    )
    parser.add_argument(
        "--ops",
        choices=("core", "text"),
        default="core",
        help="core: TensorFlow's own operations, so that any TensorFlow loads the export; text: a "
        "WordPiece tokenizer by an operation of TF Text, faster, for TF Serving and for programs "
        "that import tensorflow_text (default: core)",
    )
    parser.add_argument(
        "--warmup_file", help="texts with masks, one a line, for the server's start"
    )
    parser.add_argument(
        "--allow_untrained_head",
        action="store_true",
        help="go on where a checkpoint lacks weights of its masked-LM head, with random ones",
    )
    parser.add_argument("--json", action="store_true", help="print the export's record as JSON")


def run(args: argparse.Namespace) -> int:
    """Exports and prints the version folder."""
    texts = _lines(args.warmup_file) if args.warmup_file else None
    from tfmlm.export import export_saved_model
    from tfmlm.export.loader import read_record

    model, tokenizer = args.model_name_or_path, args.tokenizer_name
    if args.revision is not None:
        from tfmlm.checkpoint.load import load_model, load_tokenizer

        tokenizer = tokenizer or load_tokenizer(model, args.revision)
        model = load_model(model, args.revision, allow_untrained_head=args.allow_untrained_head)
    path = export_saved_model(
        model,
        tokenizer,
        args.export_dir,
        top_k=args.top_k,
        max_length=args.max_length,
        version=args.model_version,
        warmup_texts=texts,
        max_text_bytes=args.max_text_bytes,
        max_top_k=args.max_top_k,
        dtype=args.dtype,
        min_agreement=args.min_agreement,
        self_test=args.self_test,
        ops=args.ops,
        allow_untrained_head=args.allow_untrained_head,
        progress=_tell if args.verbose else None,
    )
    record = read_record(Path(path))
    if args.json:
        print(json.dumps({"path": path, **record}, indent=2, ensure_ascii=False))
        return 0
    test = record["self_test"]
    if not record["tokenizer"]["in_graph"]:
        print(
            f"only fill_mask_ids was exported: {record['tokenizer']['refused']}",
            file=sys.stderr,
        )
    ids = record["tokenizer"].get("self_test")
    if ids is not None:
        print(
            f"{ids['strings']:,} texts: the ids are the fast tokenizer's in every one",
            file=sys.stderr,
        )
    own = test.get("warmup_top1_agreement")
    if own is not None:
        print(f"warm-up texts: the best word is the checkpoint's in {own:.1%}", file=sys.stderr)
    for line in _compared(record.get("chosen_of", {})):
        print(line, file=sys.stderr)
    agreement, difference = test["top1_agreement"], test["largest_score_difference"]
    print(
        f"{test['masks']} masks in {test['texts']} texts: the best word is the checkpoint's in "
        f"{agreement:.1%}, probabilities differ by at most {difference:.1g}",
        file=sys.stderr,
    )
    print(path)
    return 0


def _compared(chosen_of: dict[str, Any]) -> Iterator[str]:
    """A line for every number type that `auto` tried."""
    for dtype, found in chosen_of.items():
        if "refused" in found:
            yield f"{dtype}: left out, {found['refused']}"
        else:
            times = sorted(found["milliseconds_per_text"].items(), key=lambda pair: int(pair[0]))
            shown = ", ".join(f"{time:.2f} ms in batches of {batch}" for batch, time in times)
            yield f"{dtype}: a text takes {shown}"


def _tell(message: str) -> None:
    """What is done next; not where an error is to be the only line."""
    print(f"{message} …", file=sys.stderr, flush=True)


def _lines(path: str) -> list[str]:
    from tfmlm.cli._texts import read_lines

    return read_lines(path)
