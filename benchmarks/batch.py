"""Speed and memory of many texts: the batch runner against what people do without it.

Covers rows a second of real rows of mixed length (paragraphs of Python's documentation and messages
in a hundred languages, one word of each masked) through an export of 6×384 with BERT's vocabulary:
`tfmlm.BatchFiller`, the same session in slices of 32 in the order of the rows, and the fill-mask
pipeline of PyTorch with batch_size=32 (on the first `--pipeline_rows`), which take turns in
processes of their own; then whole jobs from start to exit: `tfmlm batch` on one processor with one
worker and on two with two, and the examples of Beam and Spark on one. And peak memory of the runner
at several numbers of short rows.

    TFMLM_TORCH_PYTHON=/path/to/python TFMLM_BEAM_PYTHON=/path/to/python \\
        TFMLM_SPARK_PYTHON=/path/to/python python benchmarks/batch.py --rows 10000
    python benchmarks/batch.py --size 2x128 --memory 10000 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SLICE = 32


def real_rows(count: int) -> list[str]:
    """Texts of 4 words to 512 tokens with one mask each, always the same."""
    sys.path.insert(0, str(ROOT))
    from transformers import BertTokenizerFast

    from tests.real_data import bert_uncased_dir, english_texts, multilingual_texts

    tokenizer = BertTokenizerFast.from_pretrained(bert_uncased_dir())

    generator = random.Random(0)
    sources = [t for t in (*english_texts(), *multilingual_texts(4000)) if len(t) < 1500]
    sources = [t for t in sources if len(t.split()) > 3 and "[MASK]" not in t]
    rows = []
    while len(rows) < count:
        words = generator.choice(sources).split()
        words[generator.randrange(len(words))] = "[MASK]"
        if (
            len(tokenizer(text := " ".join(words))["input_ids"]) <= 512
        ):  # the pipeline takes no more
            rows.append(text)
    return rows


# ------------------------------------------------------------------------------- workers


def work(kind: str, folder: str) -> None:
    """Reads rows as JSON, then goes through them whenever a line comes: prints seconds."""
    rows = json.loads(sys.stdin.readline())
    call = {"pipeline": _pipeline, "slices": _slices, "runner": _runner}[kind](folder)
    call(rows[:SLICE])
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        call(rows)
        print(time.perf_counter() - start, flush=True)


def _pipeline(folder: str) -> Any:
    import torch
    from transformers import pipeline

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    checkpoint = f"{folder}/checkpoint"
    fill = pipeline("fill-mask", model=checkpoint, tokenizer=checkpoint, framework="pt", device=-1)
    return lambda rows: fill(rows, batch_size=SLICE)


def _slices(folder: str) -> Any:
    import tfmlm

    fill = tfmlm.load(f"{folder}/export")
    names = ("token", "token_str", "score", "mask_count", "filled", "status")

    def call(rows: list[str]) -> None:
        for start in range(0, len(rows), SLICE):
            fill.fill_arrays(rows[start : start + SLICE], outputs=names)

    return call


def _runner(folder: str) -> Any:
    import tfmlm

    fill = tfmlm.BatchFiller(f"{folder}/export")
    return lambda rows: list(fill(rows))


class Worker:
    """A process that goes through the rows on request."""

    def __init__(self, python: str, kind: str, folder: Path, rows: list[str]) -> None:
        self._process = subprocess.Popen(
            [python, __file__, "--worker", kind, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        self._ask(json.dumps(rows))

    def seconds(self) -> float:
        """One time through the rows."""
        return float(self._ask("go"))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"a worker ended with exit code {self._process.wait()}")
        return answer


def shards_of(folder: Path, rows: list[str]) -> Path:
    """The rows in files of parquet, and the same in one text file."""
    import pyarrow as pa
    import pyarrow.parquet

    shards = folder / f"shards-{len(rows)}"
    if not shards.exists():
        shards.mkdir()
        size = max(min(4096, len(rows) // 8), 1)
        for start in range(0, len(rows), size):
            table = pa.table({"text": rows[start : start + size]})
            pyarrow.parquet.write_table(table, shards / f"{start:08d}.parquet")
        shards.with_suffix(".txt").write_text("\n".join(rows))
    return shards


def jobs(folder: Path, rows: list[str]) -> None:
    """Rows a second of whole jobs, from start to exit: `tfmlm batch`, Beam, Spark.

    Each job has one processor with one worker, and `tfmlm batch` then two with two. Beam and Spark
    are left out where no variable names a Python that has them.
    """
    shards, export = shards_of(folder, rows), str(folder / "export")
    processors = sorted(os.sched_getaffinity(0))

    def rate(command: list[str], count: int) -> float:
        chosen = processors[:count]
        with tempfile.TemporaryDirectory() as output:
            start = time.perf_counter()
            subprocess.run(
                [*command, "--output", f"{output}/out"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"},
                preexec_fn=lambda: os.sched_setaffinity(0, chosen),
            )
            return len(rows) / (time.perf_counter() - start)

    batch = [sys.executable, "-m", "tfmlm", "batch", export, "--input", str(shards)]
    one = rate([*batch, "--num_workers", "1"], 1)
    print(f"tfmlm batch, 1 worker of 1 thread   {one:8.1f} rows/s", flush=True)
    others = {
        "tfmlm batch, 2 workers": (2, [*batch, "--num_workers", "2"]),
    }
    if python := os.environ.get("TFMLM_BEAM_PYTHON"):
        script = [python, str(ROOT / "examples/beam_fill.py"), export]
        others["Beam, direct runner"] = (1, [*script, "--input", str(shards.with_suffix(".txt"))])
    if python := os.environ.get("TFMLM_SPARK_PYTHON"):
        script = [python, str(ROOT / "examples/spark_fill.py"), export, "--master", "local[1]"]
        others["Spark, local[1]"] = (1, [*script, "--input", str(shards)])
    for name, (count, command) in others.items():
        found = rate(command, count)
        print(f"{name:<33}   {found:8.1f} rows/s, {found / one:.2f} times as many", flush=True)


def peak(folder: str, rows: int) -> None:
    """Prints the peak resident size in MB after so many short rows."""
    import tfmlm

    fill = tfmlm.BatchFiller(f"{folder}/export")
    done = sum(row.status == "ok" for row in fill(f"row {i} is [MASK]" for i in range(rows)))
    assert done == rows
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def prepare(folder: Path, size: str) -> None:
    """The checkpoint and its export, if they are not there."""
    if (folder / "export").exists():
        return
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    from fill_mask import make_checkpoint

    import tfmlm
    from tests.real_data import bert_uncased_dir

    make_checkpoint(folder / "checkpoint", size, bert_uncased_dir())
    tfmlm.export_saved_model(str(folder / "checkpoint"), None, folder / "export")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pipeline_rows", type=int, default=1000, help="the first so many rows")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--size", default="6x384", help="layers x hidden units of the model")
    parser.add_argument("--skip_jobs", action="store_true", help="only the three in a process")
    parser.add_argument("--memory", type=int, nargs="+", help="measure peak memory at these rows")
    parser.add_argument("--work_dir", type=Path, help="where the models are kept")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(*args.worker)
    if args.peak:
        return peak(args.peak[0], int(args.peak[1]))
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, args.size)
        if args.memory:
            for rows in args.memory:
                command = [sys.executable, __file__, "--peak", str(folder), str(rows)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                print(f"{rows:>12,} short rows   peak {float(done.stdout):,.0f} MB", flush=True)
            return None
        rows = real_rows(args.rows)
        pythons = {"runner": sys.executable, "slices": sys.executable}
        if os.environ.get("TFMLM_TORCH_PYTHON"):
            pythons["pipeline"] = os.environ["TFMLM_TORCH_PYTHON"]
        counts = {kind: len(rows) for kind in pythons}
        if "pipeline" in counts:
            counts["pipeline"] = min(args.pipeline_rows, len(rows))
        workers = {
            kind: Worker(python, kind, folder, rows[: counts[kind]])
            for kind, python in pythons.items()
        }
        rates: dict[str, list[float]] = {kind: [] for kind in workers}
        for _ in range(args.rounds):
            for kind, worker in workers.items():
                rates[kind].append(counts[kind] / worker.seconds())
        for worker in workers.values():
            worker.close()
        runner = statistics.median(rates["runner"])
        for kind, found in rates.items():
            rate = statistics.median(found)
            print(
                f"{kind:>12}   {counts[kind]:,} rows   {rate:8.1f} rows/s   the runner is "
                f"{runner / rate:.2f} times as fast",
                flush=True,
            )
        if not args.skip_jobs:
            jobs(folder, rows)
    return None


if __name__ == "__main__":
    main()
