"""Speed of filling masks: the export in a session, against the HF pipeline and onnxruntime.

Covers milliseconds a text for encoders of 6×384 and 12×768 with BERT's vocabulary and random
weights, texts of 20 words and of mixed lengths (5 to 200), batches of 1, 8 and 32; load time, first
requests with and without warm-up, peak memory, and the share of the machine's float32 matrix peak.
All processes get the same weights and two threads, and take turns, so that a busy machine slows all
alike. In a turn a process answers one request after another for a while, and after it nobody works
for a moment (thread pools spin after their work). Figures are medians, apart for the requests of a
process at work (the second half of each turn) and for the first after the pause; ratios are of one
interleaved run.

    TFMLM_TORCH_PYTHON=/path/to/python python benchmarks/fill_mask.py --json fill_mask.json

TFMLM_TORCH_PYTHON names an interpreter with torch and transformers; TFMLM_ONNX_PYTHON one with
torch, transformers, onnx and onnxruntime as well. What is not named is left out. The kind
bf16_frozen, run if asked for, is the bfloat16 export where oneDNN may keep the weights in its own
order.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = {"2x128": (2, 128, 2), "6x384": (6, 384, 12), "12x768": (12, 768, 12)}
BATCHES = (1, 8, 32)
TEXTS = ("20 words", "5-200 words")
THREADS = 2
#: Seconds between the turns of two workers; onnxruntime's threads spin for up to 0.05.
PAUSE = 0.06
#: About so many seconds does the first worker's turn take; all make as many requests, 2 to 16.
TURN = 0.2
#: What a worker needs beside this one, by environment variable.
PYTHONS = {"torch": "TFMLM_TORCH_PYTHON", "onnx": "TFMLM_ONNX_PYTHON"}
#: Number type of each kind of export.
DTYPES = {"export": "float32", "bf16": "bfloat16", "bf16_frozen": "bfloat16", "int8": "int8"}
#: Environment variables of a kind of worker.
VARIABLES = {"bf16_frozen": {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}}
WORDS = """
    time year people way day man thing woman life child world school state family student group
    country problem hand part place case week company system program question work government
    number night point home water room mother area money story fact month lot right study book
"""


def texts(kind: str, count: int) -> list[str]:
    """Texts of 20 words, or of 5 to 200, one mask each; always the same."""
    import random

    generator = random.Random(0)
    found = []
    for _ in range(count):
        length = 20 if kind == "20 words" else generator.randint(5, 200)
        words = generator.choices(WORDS.split(), k=length)
        words[generator.randrange(length)] = "[MASK]"
        found.append(" ".join(words))
    return found


def make_checkpoint(folder: Path, size: str, tokenizer_dir: Path) -> None:
    """A random BERT with the real vocabulary, readable by TensorFlow and PyTorch."""
    from transformers import BertConfig, BertTokenizerFast, TFBertForMaskedLM

    import tfmlm  # noqa: F401
    from tfmlm.checkpoint.save import save_model

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
    call = {"torch": _torch, "onnx": _onnx, "served": _served}.get(kind, _export)(folder)
    print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        batch = json.loads(line)
        start = time.perf_counter()
        if batch is None:
            _warm_up(call, folder)
        else:
            call(batch)
        print(json.dumps({"seconds": time.perf_counter() - start, **_peak()}), flush=True)


def _peak() -> dict[str, float]:
    """Largest resident size of this process since its own program began."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return {"peak_mb": int(found[1]) / 1024} if found else {}


def _export(folder: str) -> Any:
    import tfmlm

    return tfmlm.load(folder)


def _served(folder: str) -> Any:
    """All outputs of the default signature, as a server computes them."""
    import tfmlm

    return tfmlm.load(folder).fill_arrays


def _warm_up(call: Any, folder: str) -> None:
    """Runs the requests that TF Serving runs before it takes the first one."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = Path(folder) / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.compat.v1.io.tf_record_iterator(str(path)):
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        call.__self__.predict(request.model_spec.signature_name, inputs)


def _torch(folder: str) -> Any:
    import torch
    from transformers import pipeline

    torch.set_num_threads(THREADS)
    fill = pipeline("fill-mask", model=folder, tokenizer=folder, framework="pt", device=-1)
    return lambda batch: fill(batch, batch_size=len(batch))


def _onnx(folder: str) -> Any:
    import numpy as np
    import onnxruntime
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    path = Path(folder) / "model.onnx"
    if not path.exists():
        _write_onnx(folder, path, tokenizer)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def call(batch: list[str]) -> Any:
        inputs = tokenizer(batch, return_tensors="np", padding=True)
        (logits,) = session.run(["logits"], {name: inputs[name] for name in names})
        rows, places = np.nonzero(inputs["input_ids"] == tokenizer.mask_token_id)
        chosen = logits[rows, places]
        chosen = np.exp(chosen - chosen.max(-1, keepdims=True))
        chosen /= chosen.sum(-1, keepdims=True)
        best = np.argpartition(-chosen, 5)[:, :5]
        return [tokenizer.convert_ids_to_tokens(row) for row in best]

    return call


def _write_onnx(folder: str, path: Path, tokenizer: Any) -> None:
    import torch
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").eval()
    model.config.return_dict = False
    example = tokenizer(["a [MASK] text", "[MASK]"], return_tensors="pt", padding=True)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(
        model,
        tuple(example[name] for name in names),
        str(path),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in (*names, "logits")},
        opset_version=17,
        dynamo=False,
    )


class Worker:
    """A process that fills masks on request.

    Args:
        python: its interpreter.
        kind: which engine.
        folder: an export or a checkpoint.
        program: the script that is started with `--worker kind folder`.
    """

    def __init__(self, python: str, kind: str, folder: Path, program: str = __file__) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1"}
        environment |= VARIABLES.get(kind, {})
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the worker)
        self._process = subprocess.Popen(
            [python, program, "--worker", kind, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self.peak_mb = 0.0
        self.answer: dict[str, Any] = {}
        self.load_seconds = self._read()

    def _read(self) -> float:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self.answer = json.loads(line)
                self.peak_mb = self.answer.get("peak_mb", self.peak_mb)
                return self.answer["seconds"]
        self._errors.seek(0)
        raise SystemExit(f"a worker ended: {self._errors.read()[-2000:]}")

    def run(self, batch: list[str] | None) -> float:
        """Seconds of one request; None: of all warm-up requests."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(batch) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()


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


def flops(size: str, tokens: float, masks: int) -> float:
    """Multiplications and additions of the dense layers and the projection at the masks."""
    layers, hidden, _ = SIZES[size]
    return 2.0 * (12 * layers * hidden**2 * tokens + masks * hidden * (hidden + 30_522))


def prepare(size: str, work_dir: Path, tokenizer_dir: Path, kinds: list[str]) -> dict[str, Any]:
    """What each worker runs, made where it is not there: interpreter and folder."""
    checkpoint = work_dir / size
    if not checkpoint.exists():
        make_checkpoint(checkpoint, size, tokenizer_dir)
    places: dict[str, Any] = {}
    for kind in DTYPES:
        if kind in kinds:
            export = make_export(size, work_dir, tokenizer_dir, kind)
            places[kind] = (sys.executable, export)
    for kind, variable in PYTHONS.items():
        if kind in kinds and os.environ.get(variable):
            places[kind] = (os.environ[variable], checkpoint)
    return places


def make_export(size: str, work_dir: Path, tokenizer_dir: Path, kind: str) -> Path:
    """The version folder of a checkpoint's export, made where it is not there."""
    import tfmlm

    checkpoint = work_dir / size
    if not checkpoint.exists():
        make_checkpoint(checkpoint, size, tokenizer_dir)
    folder = work_dir / f"{size}-{kind.removesuffix('_frozen')}"
    if not folder.exists():
        tfmlm.export_saved_model(checkpoint, None, folder, dtype=DTYPES[kind], min_agreement=0.0)
    return folder / "1"


def first_requests(python: str, folder: Path) -> dict[str, float]:
    """Milliseconds of first requests of a new process, and of one that was warmed up."""
    short, long = texts("20 words", 1), texts("5-200 words", 8)
    cold, warm = Worker(python, "served", folder), Worker(python, "served", folder)
    found = {
        "load": cold.load_seconds,
        "first": cold.run(short),
        "first_of_another_batch": cold.run(long),
        "warm_up": warm.run(None),
        "first_after_warm_up": warm.run(short),
        "first_of_another_batch_after_warm_up": warm.run(long),
        "steady": statistics.median(warm.run(short) for _ in range(20)),
        "steady_of_another_batch": statistics.median(warm.run(long) for _ in range(10)),
    }
    cold.close()
    warm.close()
    return {f"{name}_ms": 1e3 * seconds for name, seconds in found.items()}


def one_setting(
    workers: dict[str, Worker], batches: list[list[str]], seconds: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Median milliseconds a text of each worker, at work and first in a turn."""
    at_work: dict[str, list[float]] = {kind: [] for kind in workers}
    first: dict[str, list[float]] = {kind: [] for kind in workers}
    for worker in workers.values():
        worker.run(batches[0])
    requests = min(max(round(TURN / next(iter(workers.values())).run(batches[0])), 2), 16)
    end = time.monotonic() + seconds
    number = 0
    while number < 5 or time.monotonic() < end:
        for kind, worker in workers.items():
            time.sleep(PAUSE)
            start = number * (requests + 1)
            times = [
                1e3 * worker.run(batch) / len(batch)
                for batch in (batches[(start + i) % len(batches)] for i in range(requests))
            ]
            first[kind].append(times[0])
            at_work[kind] += times[len(times) // 2 :]
        number += 1
    return _medians(at_work), _medians(first)


def _medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {kind: statistics.median(values) for kind, values in times.items()}


def measure(args: argparse.Namespace, size: str, work_dir: Path, tokenizer_dir: Path) -> Any:
    """All workers of one model size, taking turns."""
    from transformers import AutoTokenizer

    places = prepare(size, work_dir, tokenizer_dir, args.kinds)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir)
    peak = matrix_peak()
    result: dict[str, Any] = {"matrix_peak_gflops": peak}
    for kind in ("export", "bf16"):
        if kind in places and not args.no_first:
            result[f"{kind}_process"] = first_requests(*places[kind])
    workers = {kind: Worker(python, kind, folder) for kind, (python, folder) in places.items()}
    result["load_seconds"] = {kind: worker.load_seconds for kind, worker in workers.items()}
    for name, batch in _settings(args):
        sets = texts(name, batch * max(4, 32 // batch))
        batches = [sets[i : i + batch] for i in range(0, len(sets), batch)]
        medians, first = one_setting(workers, batches, args.seconds)
        tokens = statistics.mean(len(tokenizer(text)["input_ids"]) for text in sets)
        result[f"{name}, batch {batch}"] = {
            "ms_a_text": medians,
            "ratios": _ratios(medians),
            "after_a_pause_ms_a_text": first,
            "after_a_pause_ratios": _ratios(first),
            "share_of_matrix_peak": {
                kind: flops(size, tokens, 1) / value / 1e6 / peak for kind, value in medians.items()
            },
        }
        _tell(size, name, batch, result[f"{name}, batch {batch}"])
    result["peak_mb"] = {kind: worker.peak_mb for kind, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    return result


def _ratios(values: dict[str, float]) -> dict[str, float]:
    """How many times as long as the first of them each takes."""
    base = next(iter(values.values()))
    return {kind: value / base for kind, value in values.items()}


def _settings(args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    for name in args.texts:
        for batch in args.batches:
            yield name, batch


def _tell(size: str, name: str, batch: int, found: dict[str, Any]) -> None:
    figures = ", ".join(
        f"{kind} {value:.2f} ms ({found['ratios'][kind]:.2f} ×;"
        f" after a pause {found['after_a_pause_ratios'][kind]:.2f} ×)"
        for kind, value in found["ms_a_text"].items()
    )
    print(f"{size}, {name}, batch {batch}: {figures}", file=sys.stderr, flush=True)


def commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, help="folder with BERT's tokenizer files")
    parser.add_argument("--sizes", nargs="+", default=["6x384", "12x768"], choices=list(SIZES))
    parser.add_argument("--texts", nargs="+", default=list(TEXTS), choices=list(TEXTS))
    parser.add_argument("--batches", nargs="+", default=list(BATCHES), type=int)
    parser.add_argument("--kinds", nargs="+", default=["export", "bf16", *PYTHONS])
    parser.add_argument("--seconds", type=float, default=15, help="for each setting")
    parser.add_argument("--no_first", action="store_true", help="leave first requests out")
    parser.add_argument("--work_dir", type=Path, help="models and exports are kept here")
    parser.add_argument("--prepare", action="store_true", help="make models and exports only")
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
    with tempfile.TemporaryDirectory() as temporary:
        work_dir = args.work_dir or Path(temporary)
        for size in args.sizes:
            if args.prepare:
                for kind, place in prepare(size, work_dir, tokenizer_dir, args.kinds).items():
                    Worker(place[0], kind, place[1]).close()
                continue
            report[size] = measure(args, size, work_dir, tokenizer_dir)
    import tensorflow as tf

    report["versions"] = {"python": platform.python_version(), "tensorflow": tf.__version__}
    report["commit"] = commit()
    text = json.dumps(report, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
