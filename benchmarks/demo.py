"""Wall time, processor time, peak memory and losses of `tfmlm demo`, in a process of its own.

    python benchmarks/demo.py

Prints one line of figures for each run, then the machine and the versions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path


def run_once() -> dict[str, float]:
    """Runs the demo; seconds of wall and processor time, peak resident GB, losses in nats."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tfmlm", "demo", "--output_dir", f"{folder}/demo"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"XDG_CACHE_HOME": f"{folder}/cache", "HF_HUB_OFFLINE": "1"},
        )
        seconds = time.perf_counter() - started
        results = json.loads(Path(folder, "demo", "demo_results.json").read_text())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "peak_memory_gb": round(after.ru_maxrss * 1024 / 1e9, 2),
        **results,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    args = parser.parse_args()
    for _ in range(args.runs):
        print(json.dumps(run_once()))
    packages = ("tensorflow", "transformers", "tokenizers")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"{os.cpu_count()} cores, {platform.machine()}, {platform.python_version()}, {versions}")


if __name__ == "__main__":
    main()
