"""Peak memory of `tfmlm train` on a corpus that is large beside it.

    python benchmarks/memory.py [--megabytes 1000] [--file TEXT] [--ways blocks stream]
    python benchmarks/memory.py --megabytes 2 --layers 2 4 8

Writes a text file of that size (paragraphs of Python's documentation, each with other numbers in
it), and runs `tfmlm train` on it: all of it tokenized into blocks on disk and a few steps
(`blocks`), or a few steps with `--streaming` (`stream`). Printed are the highest resident memory
that Linux counts for the process (VmHWM, which includes pages of memory-mapped files), summed with
that of its children, the highest part of it that is the process's own (RssAnon), and the seconds.

With `--layers` the same of a BERT of that many layers (256 wide, 16 rows of 256 tokens a step),
without and with `--gradient_checkpointing`.
"""

from __future__ import annotations

import argparse
import json
import os
import pydoc_data.topics
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = 5


def write_corpus(path: Path, megabytes: int) -> None:
    """Writes so much text, no line of it twice."""
    text = "\n".join(pydoc_data.topics.topics.values())
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    paragraphs = [part for part in paragraphs if len(part) > 40]
    draw = random.Random(0)
    left = megabytes * 1_000_000
    with path.open("w", encoding="utf-8") as file:
        while left > 0:
            words = draw.choice(paragraphs).split(" ")
            words.insert(draw.randrange(len(words)), str(draw.randrange(10**6)))
            left -= file.write(" ".join(words) + "\n")


def write_tokenizer(folder: Path) -> None:
    """A WordPiece tokenizer trained on Python's documentation."""
    from tfmlm.data.corpus import iterable_corpus
    from tfmlm.data.tokenizer_training import train_tokenizer

    texts = list(pydoc_data.topics.topics.values())
    train_tokenizer(iterable_corpus(texts), "wordpiece", 8_000).save_pretrained(folder)


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def kilobytes(pid: int, name: str) -> int:
    """A figure of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def watch(process: subprocess.Popen) -> dict[str, float]:
    """Waits for a process; its peaks in GB."""
    resident: dict[int, int] = {}
    own = 0
    while process.poll() is None:
        try:
            for pid in tree(process.pid):
                resident[pid] = max(resident.get(pid, 0), kilobytes(pid, "VmHWM"))
            own = max(own, kilobytes(process.pid, "RssAnon"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        time.sleep(0.05)
    to_gb = 1024 / 1e9
    return {
        "peak_gb": round(sum(resident.values()) * to_gb, 2),
        "own_gb": round(own * to_gb, 2),
        "processes": len(resident),
    }


def measure(
    way: str, corpus: Path, tokenizer: Path, folder: Path, layers: int = 0
) -> dict[str, float]:
    """Trains a few steps of a small model, or one of so many layers, and watches."""
    command = [sys.executable, "-m", "tfmlm", "train", "--train_file", str(corpus)]
    command += ["--model_type", "bert", "--tokenizer_name", str(tokenizer)]
    shape = "hidden_size=128,num_hidden_layers=2,num_attention_heads=2"
    if layers:
        shape = f"hidden_size=256,num_hidden_layers={layers},num_attention_heads=4"
        shape += ",intermediate_size=1024"
    command += ["--config_overrides", shape, "--per_device_train_batch_size", "16"]
    command += ["--max_seq_length", "256" if layers else "128"]
    command += ["--max_steps", str(STEPS), "--max_eval_samples", "64"]
    command += ["--output_dir", str(folder / way), "--cache_dir", str(folder / "cache")]
    if way == "stream":
        command.append("--streaming")
    if way == "checkpointing":
        command.append("--gradient_checkpointing")
    command.append("--overwrite_output_dir")
    begun = time.perf_counter()
    with (folder / f"{way}.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
        peaks = watch(process)
    if process.returncode:
        raise SystemExit((folder / f"{way}.log").read_text()[-2000:])
    results = json.loads((folder / way / "all_results.json").read_text())
    assert results["train_steps"] == STEPS
    return {**peaks, "seconds": round(time.perf_counter() - begun)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--file", type=Path, help="a text file instead of a written one")
    parser.add_argument("--ways", nargs="+", default=["blocks", "stream"])
    parser.add_argument("--layers", type=int, nargs="+", help="of models to train both ways")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = args.file or folder / "corpus.txt"
        if not args.file:
            write_corpus(corpus, args.megabytes)
        write_tokenizer(folder / "tokenizer")
        for layers in args.layers or ():
            for way in ("plain", "checkpointing"):
                figures = measure(way, corpus, folder / "tokenizer", folder, layers)
                print(json.dumps({"layers": layers, "way": way, **figures}), flush=True)
        for way in () if args.layers else args.ways:
            figures = measure(way, corpus, folder / "tokenizer", folder)
            megabytes = round(corpus.stat().st_size / 1e6)
            print(json.dumps({"way": way, "megabytes": megabytes, **figures}), flush=True)


if __name__ == "__main__":
    main()
