"""`tfmlm push`: a checkpoint folder → the Hub."""

from __future__ import annotations

import argparse
import json

HELP = "send a checkpoint folder to the Hub, and compare what arrived with it"
EXAMPLE = """tfmlm push my_model --hub_model_id me/my_model
→ https://huggingface.co/me/my_model: 8 files at commit 1f2e3d4 (3 of them new)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the checkpoint folder (config.json, model.safetensors, …)")
    parser.add_argument(
        "--hub_model_id",
        help="repository: user/model (default: the folder's last one, or its name)",
    )
    parser.add_argument(
        "--hub_token", help="token (better: `hf auth login` or the variable HF_TOKEN)"
    )
    parser.add_argument(
        "--hub_private_repo", action="store_true", help="create the repository private"
    )
    parser.add_argument(
        "--hub_revision", "--revision", default="main", help="branch; created if need be (main)"
    )
    parser.add_argument(
        "--hub_timeout",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="give the Hub up when nothing has moved for so long (600)",
    )
    parser.add_argument("--commit_message", help="the commit's message")
    parser.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="PATTERN",
        help="further files of the folder; repeatable",
    )
    parser.add_argument("--logs", action="store_true", help="also the TensorBoard logs in logs/")
    parser.add_argument("--export_dir", help="also this SavedModel export, as export/")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int | None:
    from dataclasses import asdict

    from tfmlm.hub.push import push_folder
    from tfmlm.progress import Bar

    with Bar("Pushing", unit="MB") as bar:
        delivered = push_folder(
            args.folder,
            args.hub_model_id,
            hub_token=args.hub_token,
            hub_private_repo=args.hub_private_repo,
            hub_revision=args.hub_revision,
            hub_timeout=args.hub_timeout,
            commit_message=args.commit_message,
            include=args.include,
            logs=args.logs,
            export_dir=args.export_dir,
            moved=bar.update,
        )
    if args.json:
        print(json.dumps(asdict(delivered), indent=2))
    else:
        print(
            f"{delivered.url}: {len(delivered.files)} files at commit {delivered.commit[:7]} "
            f"({len(delivered.sent)} of them new)"
        )
    return 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("give a number of seconds above 0")
    return value
