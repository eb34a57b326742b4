"""Time and memory from nothing to an export's answers: `tfmlm.load` against TensorFlow's Python.

Covers, for exports of 6×384 with BERT's vocabulary in float32 and bfloat16: seconds until the
library is there (TensorFlow's C library, or `import tensorflow` and TF Text), seconds of loading
after that, the first request, and the highest resident memory then and after batches of 1, 8 and 32
texts of 20 and of 5 to 200 words. `python` is what `tfmlm.load` did before: a session of
`tf.compat.v1.saved_model.load`. Then first requests after the warm-up requests beside steady ones.
Each process is new; the kinds take turns; medians.

    python -m benchmarks.loading [--rounds 5] [--work_dir FOLDER] [--json loading.json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

KINDS = ("library", "python")
OUTPUTS = ("status", "mask_count", "score", "token", "token_str", "sequence")


def peak_mb() -> float:
    """Highest resident memory of this process."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def work(kind: str, folder: str) -> None:
    """One process: prints its figures as JSON."""
    from benchmarks.fill_mask import BATCHES, TEXTS, texts

    start = time.perf_counter()
    import tfmlm

    if kind == "library":
        from tfmlm.export.session.library import library

        library()
    else:
        import tensorflow_text  # noqa: F401

    found = {"import_s": time.perf_counter() - start, "import_mb": peak_mb()}
    start = time.perf_counter()
    fill = tfmlm.load(folder).fill_arrays if kind == "library" else _by_python(folder)
    found |= {"load_s": time.perf_counter() - start, "load_mb": peak_mb()}
    start = time.perf_counter()
    fill(texts(TEXTS[0], 1), outputs=OUTPUTS)
    found |= {"first_s": time.perf_counter() - start, "first_mb": peak_mb()}
    for name in TEXTS:
        for batch in BATCHES:
            for _ in range(3):
                fill(texts(name, batch), outputs=OUTPUTS)
    print(json.dumps(found | {"peak_mb": peak_mb()}))


def _by_python(folder: str) -> Any:
    import tensorflow as tf

    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    definition = meta.signature_def["serving_default"]

    def fill(rows: list[str], outputs: tuple[str, ...]) -> Any:
        fetches = [definition.outputs[name].name for name in outputs]
        return session.run(fetches, {definition.inputs["text"].name: rows})

    return fill


def main() -> None:
    """Measures and prints."""
    from benchmarks.fill_mask import first_requests, make_export
    from benchmarks.peers import processor
    from tests.real_data import bert_uncased_dir

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work_dir", type=Path, help="the model and its exports are kept here")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    report: dict[str, Any] = {"processor": processor()}
    with tempfile.TemporaryDirectory() as temporary:
        work_dir = args.work_dir or Path(temporary)
        for dtype in ("export", "bf16"):
            folder = make_export("6x384", work_dir, bert_uncased_dir(), dtype)
            figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
            for _ in range(args.rounds):
                for kind, found in figures.items():
                    found.append(_in_a_process(kind, folder))
            for kind, found in figures.items():
                report[f"{dtype}, {kind}"] = _medians(found)
            turns = [first_requests(sys.executable, folder) for _ in range(args.rounds)]
            report[f"{dtype}, requests"] = _medians(turns)
    text = json.dumps(report, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


def _in_a_process(kind: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.loading", "--worker", kind, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(f[name] for f in found), 4) for name in found[0]}


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        work(sys.argv[2], sys.argv[3])
    else:
        main()
