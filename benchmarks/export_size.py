"""Size, time and memory of an export of bert-base's size: 12×768, real vocabulary, random weights.

    python benchmarks/export_size.py --json export_size.json

Claims: under 1.05 × the checkpoint's weights + 40 MB on disk, written in under 60 s (the process's
start and the comparison with the checkpoint included) with under 4 GB of memory. The export runs as
`tfmlm export` in a process of its own, whose peak is read from /proc/self/status.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))


def export(checkpoint: str, folder: str, dtype: str) -> None:
    """What the process of its own does."""
    from tfmlm.cli.main import main as command

    arguments = ["--model_name_or_path", checkpoint, "--export_dir", folder, "--dtype", dtype]
    if command(["export", *arguments]):
        raise SystemExit(1)
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps({"peak_mb": int(found[1]) / 1024 if found else None}))


def size_mb(folder: Path) -> float:
    """Megabytes (10⁶ bytes) of all files."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6


def measure(checkpoint: Path, folder: Path, dtype: str) -> dict[str, Any]:
    """Exports and measures."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, __file__, "--export", str(checkpoint), str(folder), dtype],
        capture_output=True,
        text=True,
    )
    seconds = time.monotonic() - start
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    weights = (checkpoint / "model.safetensors").stat().st_size / 1e6
    weights /= 2 if dtype == "bf16" else 1
    record = json.loads((folder / "1" / "assets.extra" / "tfmlm.json").read_text())
    return {
        "seconds": seconds,
        **json.loads(done.stdout.splitlines()[-1]),
        "weights_mb": weights,
        "export_mb": size_mb(folder),
        "graph_mb": (folder / "1" / "saved_model.pb").stat().st_size / 1e6,
        "size_allowed_mb": 1.05 * weights + 40,
        "self_test": record["self_test"],
    }


def main() -> None:
    """Measures and prints."""
    from benchmarks.fill_mask import commit, make_checkpoint

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bf16"])
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--export", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.export:
        export(*args.export)
        return
    from tests.real_data import bert_uncased_dir

    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = Path(temporary) / "model"
        make_checkpoint(checkpoint, "12x768", bert_uncased_dir())
        for dtype in args.dtypes:
            report[dtype] = measure(checkpoint, Path(temporary) / dtype, dtype)
    report["commit"] = commit()
    text = json.dumps(report, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
