"""Speed of filling masks: the export in a session, against the HF pipeline and onnxruntime.

Covers milliseconds a text for encoders of 6×384 and 12×768 with
BERT's vocabulary, texts of 20 words and of mixed lengths (5 to 200), batches of 1, 8 and 32; first
request with and without warm-up, load time, peak memory, and the share of the machine's float32
matrix peak. All processes get the same weights and two threads, and take turns, so that a busy
machine slows all alike; figures are medians, ratios are of one interleaved run.

    TFMLM_TORCH_PYTHON=/path/to/python python benchmarks/fill_mask.py --json fill_mask.json

TFMLM_TORCH_PYTHON names an interpreter with torch and transformers; TFMLM_ONNX_PYTHON one with
torch, transformers, onnx and onnxruntime as well. What is not named is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZES = {"6x384": (6, 384, 12), "12x768": (12, 768, 12)}
BATCHES = (1, 8, 32)
THREADS = 2
WORDS = [
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
    "student",
    "group",
    "country",
    "problem",
    "hand",
    "part",
    "place",
    "case",
    "week",
    "company",
    "system",
    "program",
    "question",
    "work",
    "government",
    "number",
    "night",
    "point",
    "home",
    "water",
    "room",
    "mother",
    "area",
    "money",
    "story",
    "fact",
    "month",
    "lot",
    "right",
    "study",
    "book",
]


def texts(kind: str, count: int) -> list[str]:
    """Texts of 20 words, or of 5 to 200, one mask each; always the same."""
    import random

    generator = random.Random(0)
    found = []
    for _ in range(count):
        length = 20 if kind == "20 words" else generator.randint(5, 200)
        words = [generator.choice(WORDS) for _ in range(length)]
        words[generator.randrange(length)] = "[MASK]"
        found.append(" ".join(words))
    return found


def make_checkpoint(folder: Path, size: str, tokenizer_dir: Path) -> None:
    """A random BERT with the real vocabulary, readable by TensorFlow and PyTorch."""
    from transformers import BertConfig, BertTokenizerFast, TFBertForMaskedLM

    import tfmlm  # noqa: F401
    from tfmlm.hub.safetensors import save_model

    layers, hidden, heads = SIZES[size]
    tokenizer = BertTokenizerFast.from_pretrained(tokenizer_dir)
    tokenizer.model_max_length = 512
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
    )
    model = TFBertForMaskedLM(config)
    model.build_in_name_scope()
    folder.mkdir(parents=True)
    save_model(model, folder)
    tokenizer.save_pretrained(folder)


# ------------------------------------------------------------------------------- workers


def work(kind: str, folder: str) -> None:
    """Answers requests from standard input until it ends: JSON lists of texts -> seconds."""
    start = time.perf_counter()
    call = {"export": _export, "bf16": _export, "torch": _torch, "onnx": _onnx}[kind](folder)
    loaded = time.perf_counter() - start
    print(json.dumps({"load": loaded}), flush=True)
    for line in sys.stdin:
        batch = json.loads(line)
        start = time.perf_counter()
        call(batch)
        print(json.dumps({"seconds": time.perf_counter() - start, **_peak()}), flush=True)


def _peak() -> dict[str, float]:
    import resource

    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _export(folder: str) -> Any:
    import tfmlm

    return tfmlm.load(folder)


def _torch(folder: str) -> Any:
    import torch
    from transformers import pipeline

    torch.set_num_threads(THREADS)
    fill = pipeline("fill-mask", model=folder, tokenizer=folder, framework="pt", device=-1)
    return lambda batch: fill(batch, batch_size=len(batch))


def _onnx(folder: str) -> Any:
    import numpy as np
    import onnxruntime
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    path = Path(folder) / "model.onnx"
    if not path.exists():
        model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").eval()
        example = tokenizer("a [MASK]", return_tensors="pt")
        names = list(example)
        torch.onnx.export(
            model,
            tuple(example[name] for name in names),
            str(path),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in (*names, "logits")},
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    def call(batch: list[str]) -> Any:
        inputs = tokenizer(batch, return_tensors="np", padding=True)
        (logits,) = session.run(["logits"], dict(inputs))
        rows, places = np.nonzero(inputs["input_ids"] == tokenizer.mask_token_id)
        chosen = logits[rows, places]
        chosen = np.exp(chosen - chosen.max(-1, keepdims=True))
        chosen /= chosen.sum(-1, keepdims=True)
        best = np.argpartition(-chosen, 5)[:, :5]
        return [tokenizer.convert_ids_to_tokens(row) for row in best]

    return call


class Worker:
    """A process that fills masks on request."""

    def __init__(self, python: str, kind: str, folder: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [python, __file__, "--worker", kind, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.load_seconds = self._read()["load"]

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"a worker ended with code {self._process.wait()}")

    def run(self, batch: list[str]) -> dict[str, float]:
        """Seconds of one request, and the process's peak memory."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(batch) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


# ------------------------------------------------------------------------------- the run


def matrix_peak() -> float:
    """Measured float32 GFLOP/s of a large matrix product in TensorFlow."""
    import tensorflow as tf

    a = tf.random.normal([2048, 2048])
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        tf.matmul(a, a).numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best / 1e9


def flops(size: str, tokens: int, masks: int) -> float:
    """Multiplications and additions of the dense layers and the projection at the masks."""
    layers, hidden, _ = SIZES[size]
    return 2.0 * (12 * layers * hidden**2 * tokens + masks * hidden * (hidden + 30_522))


def measure(size: str, rounds: int, work_dir: Path, tokenizer_dir: Path) -> dict[str, Any]:
    """All workers of one model size, taking turns."""
    import tfmlm

    checkpoint = work_dir / size
    make_checkpoint(checkpoint, size, tokenizer_dir)
    model, tokenizer = tfmlm.load_model(checkpoint), tfmlm.load_tokenizer(checkpoint)
    start = time.perf_counter()
    plain = Path(tfmlm.export_saved_model(model, tokenizer, work_dir / f"{size}-export"))
    exported = time.perf_counter() - start
    half = Path(tfmlm.export_saved_model(model, tokenizer, work_dir / f"{size}-bf16", dtype="bf16"))
    places = {"export": (sys.executable, plain), "bf16": (sys.executable, half)}
    for kind in ("torch", "onnx"):
        python = os.environ.get(f"TFMLM_{kind.upper()}_PYTHON")
        if python:
            places[kind] = (python, checkpoint)
    workers = {kind: Worker(python, kind, folder) for kind, (python, folder) in places.items()}
    result: dict[str, Any] = {
        "export_seconds": exported,
        "export_mb": sum(f.stat().st_size for f in plain.rglob("*") if f.is_file()) / 1e6,
        "load_seconds": {kind: worker.load_seconds for kind, worker in workers.items()},
    }
    first = texts("20 words", 1)
    result["first_request_ms"] = {k: 1e3 * w.run(first)["seconds"] for k, w in workers.items()}
    result["second_request_ms"] = {k: 1e3 * w.run(first)["seconds"] for k, w in workers.items()}
    peak: dict[str, float] = {}
    for kind_of_text in ("20 words", "5-200 words"):
        for batch in BATCHES:
            sets = texts(kind_of_text, batch * max(4, 32 // batch))
            batches = [sets[i : i + batch] for i in range(0, len(sets), batch)]
            times: dict[str, list[float]] = {kind: [] for kind in workers}
            for number in range(rounds + 2):
                for kind, worker in workers.items():
                    answer = worker.run(batches[number % len(batches)])
                    peak[kind] = answer["peak_mb"]
                    if number >= 2:
                        times[kind].append(1e3 * answer["seconds"] / batch)
            medians = {kind: statistics.median(values) for kind, values in times.items()}
            tokens = sum(len(tokenizer(t)["input_ids"]) for t in sets) / len(sets)
            result[f"{kind_of_text}, batch {batch}"] = {
                "ms_a_text": medians,
                "times_the_export": {k: v / medians["export"] for k, v in medians.items()},
                "gflops": flops(size, round(tokens), 1) / medians["export"] / 1e6,
            }
    result["peak_mb"] = peak
    for worker in workers.values():
        worker.close()
    return result


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, help="folder with BERT's tokenizer files")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(*args.worker)
        return
    tokenizer_dir = args.tokenizer
    if tokenizer_dir is None:
        sys.path.insert(0, str(Path(__file__).parent.parent))
        from tests.real_data import bert_uncased_dir

        tokenizer_dir = bert_uncased_dir()
    report: dict[str, Any] = {"processor": platform.processor() or platform.machine()}
    with tempfile.TemporaryDirectory() as folder:
        for size in args.sizes:
            report[size] = measure(size, args.rounds, Path(folder), tokenizer_dir)
    import tensorflow as tf

    report["versions"] = {"python": platform.python_version(), "tensorflow": tf.__version__}
    report["matrix_peak_gflops"] = matrix_peak()
    text = json.dumps(report, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
