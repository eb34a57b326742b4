"""`tfmlm inspect`: what an export holds and which servers can serve it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

HELP = "show an export: signatures, sizes, tokenizer, and the TF Serving releases that can serve it"
EXAMPLE = """tfmlm inspect exports/my_model
tfmlm inspect exports/my_model/1 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument("export", help="an export folder (its latest version) or a version folder")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the report."""
    from tfmlm.export.loader import find_version, read_record

    folder = find_version(args.export)
    report = describe(folder, read_record(folder))
    if args.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(report)
    return 0


def describe(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The export's record with its signatures, sizes in bytes, and the check of its operations."""
    from tfmlm.export.writing.servable_ops import (
        missing,
        oldest_release,
        operations,
        releases,
        text_ops,
    )

    needed = operations(folder)
    return {
        "path": str(folder),
        "signatures": _signatures(folder),
        "sizes": {
            "graph": (folder / "saved_model.pb").stat().st_size,
            "variables": sum(f.stat().st_size for f in (folder / "variables").iterdir()),
            "total": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()),
        },
        "operations": sorted(needed),
        "text_operations": text_ops(needed),
        "tf_serving": {release: missing(needed, release) for release in releases()},
        "oldest_tf_serving": oldest_release(needed),
        "record": record,
    }


def _signatures(folder: Path) -> dict[str, Any]:
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())

    def spec(info: Any) -> str:
        shape = ", ".join("?" if d.size < 0 else str(d.size) for d in info.tensor_shape.dim)
        return f"{tf.as_dtype(info.dtype).name} [{shape}]"

    definitions = model.meta_graphs[0].signature_def
    return {
        name: {
            "inputs": {k: spec(v) for k, v in sorted(definitions[name].inputs.items())},
            "outputs": {k: spec(v) for k, v in sorted(definitions[name].outputs.items())},
        }
        for name in sorted(definitions)
        if not name.startswith("__")
    }


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    record, sizes = report["record"], report["sizes"]
    model, tokenizer, defaults = record["model"], record["tokenizer"], record["defaults"]
    table = Table(title=report["path"], show_header=False, title_justify="left")
    rows = {
        "model": f"{model['architecture']}, {model['parameters']:,} parameters, {model['dtype']}, "
        f"vocabulary {model['vocab_size']:,}",
        "tokenizer": f"{tokenizer['class']}, mask token {tokenizer['mask_token']}, "
        + (
            f"fingerprint {tokenizer['fingerprint'][:16]}"
            if tokenizer["in_graph"]
            else f"not in the graph: {tokenizer['refused']}"
        ),
        "defaults": ", ".join(f"{k} {v:,}" for k, v in sorted(defaults.items())),
        "size": f"{sizes['total'] / 1e6:.1f} MB: variables {sizes['variables'] / 1e6:.1f} MB, "
        f"graph {sizes['graph'] / 1e6:.1f} MB",
        "self-test": ", ".join(f"{k} {v:.4g}" for k, v in sorted(record["self_test"].items())),
        "made with": ", ".join(f"{k} {v}" for k, v in record["versions"].items()),
    }
    for name, value in rows.items():
        table.add_row(name, value.replace("[", "\\["))
    console.print(table)

    table = Table(title="signatures", title_justify="left")
    for column in ("signature", "inputs", "outputs"):
        table.add_column(column)
    for name, signature in report["signatures"].items():
        cells = (
            "\n".join(f"{k}: {v}" for k, v in signature[kind].items())
            for kind in ("inputs", "outputs")
        )
        table.add_row(name, *(cell.replace("[", "\\[") for cell in cells), end_section=True)
    console.print(table)

    own = report["text_operations"]
    if own:
        console.print(f"needs TF Text ({', '.join(own)}): import tensorflow_text before loading it")
    else:
        console.print("TensorFlow's own operations alone: nothing to import but tensorflow")
    for release, lacking in report["tf_serving"].items():
        verdict = f"lacks {', '.join(lacking)}" if lacking else "has every operation"
        console.print(f"TF Serving {release}: {verdict}")
    oldest = report["oldest_tf_serving"]
    if oldest is None:
        console.print("no known release of TF Serving can serve this export")
    else:
        console.print(f"oldest release of TF Serving that can serve it: {oldest}")
