"""ModernBERT against PyTorch's: a training step, filling masks, memory of a long text.

    TFMLM_TORCH_PYTHON=/path/to/python python benchmarks/modernbert.py [--models ettin-17m ...]
        [--parts train fill packing memory] [--lengths 128 512 2048] [--rounds 5] [--attention sdpa]
        [--dtype float32]

Covers the shapes of Ettin-17M and of ModernBERT-base (150M) with random weights and a vocabulary of
50,368, the same in both processes. `train`: forward, backward, clipping and AdamW on 2,048 tokens a
step (16 rows of 128, 4 of 512, 1 of 2,048), 15 % of them masked; float32, dropout off as in the
published configs. `fill`: `tfmlm.load` of the export against PyTorch's fill-mask pipeline, texts of
that many tokens less two, one mask each; `--dtype` is the export's. `packing`: tokens a second of
our training step on texts of 8 to 64 tokens, 32 a step padded to the longest, and side by side in
rows of 128. `memory`: peak resident size of a process that runs the encoder on one text of 8,192
tokens and takes the logits of one position.

TFMLM_TORCH_PYTHON names a Python with torch and transformers 4.57. Each side is a process with
two threads, warmed up; they take turns, so that a busy machine slows both alike. Printed are the
medians, their ratio, and the lowest and highest ratio of a round.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

#: Layers, hidden units, inner units, heads.
SHAPES = {"ettin-17m": (7, 256, 384, 4), "base-150m": (22, 768, 1152, 12)}
VOCABULARY, TOKENS, LONG = 50_368, 2_048, 8_192
BATCHES = (1, 8, 32)
THREADS = 2


def make_checkpoint(folder: Path, shape: str) -> None:
    """A random ModernBERT and a WordPiece tokenizer of that many words."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast, ModernBertConfig

    import tfmlm  # noqa: F401
    from tfmlm.checkpoint.save import save_model
    from tfmlm.training.model_setup import build_new_model

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"w{number}" for number in range(VOCABULARY - len(words))]
    raw = BertWordPieceTokenizer({word: number for number, word in enumerate(words)})
    tokenizer = BertTokenizerFast(tokenizer_object=raw, model_max_length=LONG)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    layers, hidden, inner, heads = SHAPES[shape]
    config = ModernBertConfig(
        num_hidden_layers=layers,
        hidden_size=hidden,
        intermediate_size=inner,
        num_attention_heads=heads,
        pad_token_id=0,
        cls_token_id=2,
        bos_token_id=2,
        sep_token_id=3,
        eos_token_id=3,
        reference_compile=False,
    )
    save_model(build_new_model(config), folder)
    tokenizer.save_pretrained(folder)


def batch(length: int) -> tuple[Any, Any]:
    """Ids with masks and labels, int64 [rows, length]; always the same."""
    import numpy as np

    generator = np.random.default_rng(0)
    labels = generator.integers(5, VOCABULARY, (TOKENS // length, length))
    chosen = generator.random(labels.shape) < 0.15
    return np.where(chosen, 4, labels), np.where(chosen, labels, -100)


def short_texts(length: int) -> tuple[dict[str, Any], Any]:
    """Inputs and labels of texts of 8 to 64 tokens: one a row, or several in rows of `length`."""
    import numpy as np

    from tfmlm.data.packing import ID_MASK, STARTS_TEXT
    from tfmlm.data.rows import RowPacker

    generator = np.random.default_rng(0)
    sizes = generator.integers(8, 65, 32 if length == 0 else 2000)
    rows = [generator.integers(5, VOCABULARY, size).astype("int32") for size in sizes]
    if length:
        packer = RowPacker(length, 8)
        rows = [row for text in rows for row in packer.add(text)][: TOKENS // length]
    longest = length or max(map(len, rows))
    packed = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])
    ids, mask = packed & ID_MASK, (packed != 0).astype("int32")
    chosen = (generator.random(ids.shape) < 0.15) & (mask == 1)
    inputs = {"input_ids": np.where(chosen, 4, ids).astype("int32"), "attention_mask": mask}
    if length:
        starts = (packed & STARTS_TEXT) != 0
        inputs["document_ids"] = (np.cumsum(starts, axis=1) - 1).astype("int32")
    return inputs, np.where(chosen, ids, -100).astype("int32")


def texts(length: int, count: int) -> list[str]:
    """Texts of `length` tokens with their special tokens, one mask each; always the same."""
    import random

    generator = random.Random(0)
    found = []
    for _ in range(count):
        words = [f"w{generator.randrange(VOCABULARY - 5)}" for _ in range(length - 2)]
        words[generator.randrange(len(words))] = "[MASK]"
        found.append(" ".join(words))
    return found


# ------------------------------------------------------------------------------- workers


def ours_train(folder: str, attention: str) -> Callable[[dict[str, int]], Any]:
    import tensorflow as tf

    import tfmlm

    trainer = tfmlm.MaskedLMTrainer(tfmlm.load_model(folder), max_grad_norm=1.0)
    optimizer, _ = tfmlm.create_optimizer(1e-5, 1000)
    trainer.compile(optimizer)
    step = tf.function(lambda features, labels: trainer.train_step((features, labels)))

    def run(request: dict[str, int]) -> Any:
        ids, labels = (tf.constant(x, tf.int32) for x in batch(request["length"]))
        return step({"input_ids": ids, "attention_mask": tf.ones_like(ids)}, labels)["loss"].numpy()

    return run


def ours_packing(folder: str, attention: str) -> Callable[[dict[str, int]], Any]:
    import tensorflow as tf

    import tfmlm

    trainer = tfmlm.MaskedLMTrainer(tfmlm.load_model(folder), max_grad_norm=1.0)
    trainer.compile(tfmlm.create_optimizer(1e-5, 1000)[0])
    step = tf.function(lambda features, labels: trainer.train_step((features, labels)))

    def run(request: dict[str, int]) -> Any:
        inputs, labels = short_texts(request["length"])
        features = {name: tf.constant(value) for name, value in inputs.items()}
        return step(features, tf.constant(labels))["loss"].numpy()

    return run


def torch_train(folder: str, attention: str) -> Callable[[dict[str, int]], Any]:
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(THREADS)
    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation=attention)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5, weight_decay=0.01)

    def run(request: dict[str, int]) -> Any:
        ids, labels = (torch.tensor(x) for x in batch(request["length"]))
        loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return run


def ours_fill(folder: str, attention: str) -> Callable[[dict[str, int]], Any]:
    import tfmlm

    fill = tfmlm.load(str(next((Path(folder) / "export").glob("[0-9]*"))))
    return lambda request: fill(texts(request["length"], request["batch"]))


def torch_fill(folder: str, attention: str) -> Callable[[dict[str, int]], Any]:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer, FillMaskPipeline

    torch.set_num_threads(THREADS)
    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation=attention)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    fill = FillMaskPipeline(model=model, tokenizer=tokenizer, framework="pt", device=-1)
    return lambda request: fill(
        texts(request["length"], request["batch"]), batch_size=request["batch"]
    )


def ours_memory(folder: str, attention: str) -> Callable[[dict[str, int]], Any]:
    import tensorflow as tf

    import tfmlm
    from tfmlm.checkpoint.masked_positions import masked_logits

    model = tfmlm.load_model(folder)

    @tf.function
    def logits(ids: tf.Tensor) -> tf.Tensor:
        inputs = {"input_ids": ids, "attention_mask": tf.ones_like(ids)}
        return masked_logits(model, inputs, tf.constant([[0, 7]]))

    return lambda request: logits(tf.ones([1, request["length"]], tf.int32) * 9).numpy()


def torch_memory(folder: str, attention: str) -> Callable[[dict[str, int]], Any]:
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(THREADS)
    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation=attention).eval()

    def run(request: dict[str, int]) -> Any:
        with torch.no_grad():
            ids = torch.full((1, request["length"]), 9)
            hidden = model.model(ids, torch.ones_like(ids)).last_hidden_state[:, 7:8]
            return model.decoder(model.head(hidden)).numpy()

    return run


def work(part: str, side: str, folder: str, attention: str) -> None:
    """Answers requests, one JSON a line: runs it, prints the seconds and the peak memory."""
    call = globals()[f"{side}_{part}"](folder, attention)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        call(json.loads(line))
        seconds = time.perf_counter() - start
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        peak = int(found[1]) / 2**20 if found else float("nan")
        print(json.dumps({"seconds": seconds, "peak_gib": peak}), flush=True)


class Worker:
    """A process that runs one part for one side."""

    def __init__(self, part: str, side: str, folder: Path, attention: str) -> None:
        python = sys.executable if side == "ours" else os.environ["TFMLM_TORCH_PYTHON"]
        variables = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
        if side == "torch":
            variables.pop("PYTHONPATH", None)
        command = [python, __file__, "--work", part, side, str(folder), attention]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables
        )
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker ended with {self._process.wait()}")
        return line

    def __call__(self, **request: int) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._line()))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


# ------------------------------------------------------------------------------- the parts


def compare(workers: dict[str, Worker], rounds: int, **request: int) -> str:
    """Seconds of both sides, interleaved: medians and ratios."""
    for worker in workers.values():
        worker(**request)
        worker(**request)
    found = [{s: w(**request)["seconds"] for s, w in workers.items()} for _ in range(rounds)]
    ours, other = (statistics.median(r[side] for r in found) for side in ("ours", "torch"))
    ratios = [r["torch"] / r["ours"] for r in found]
    return (
        f"{1000 * ours:9.1f} ms {1000 * other:9.1f} ms  {other / ours:5.2f} x "
        f"({min(ratios):.2f}-{max(ratios):.2f})"
    )


def export(folder: Path, dtype: str) -> None:
    import tfmlm

    model, tokenizer = tfmlm.load_model(str(folder)), tfmlm.load_tokenizer(str(folder))
    tfmlm.export_saved_model(model, tokenizer, folder / "export", max_length=TOKENS, dtype=dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description="See the module's text.")
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--parts", nargs="+", default=["train", "fill", "memory"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[128, 512, 2048])
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--folder", type=Path, help="keep checkpoints and exports here")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(*args.work)
        return
    root = args.folder or Path(tempfile.mkdtemp())
    print(f"{_processor()}, {THREADS} threads; PyTorch's attention: {args.attention}")
    for shape in args.models:
        folder = root / shape
        if not (folder / "config.json").exists():
            make_checkpoint(folder, shape)
        if "fill" in args.parts and not (folder / "export").exists():
            export(folder, args.dtype)
        for part in args.parts:
            run_part(part, folder, args)


def run_part(part: str, folder: Path, args: argparse.Namespace) -> None:
    if part == "packing":
        print_packing(folder, args)
        return
    if part == "memory":
        for side in ("ours", "torch"):
            worker = Worker(part, side, folder, args.attention)
            figures = worker(length=LONG)
            print(
                f"{folder.name} memory {LONG} tokens {side:5}: peak {figures['peak_gib']:.2f} GiB, "
                f"{figures['seconds']:.1f} s",
                flush=True,
            )
            worker.close()
        return
    workers = {side: Worker(part, side, folder, args.attention) for side in ("ours", "torch")}
    for length in args.lengths:
        for rows in args.batches if part == "fill" else [TOKENS // length]:
            if part == "fill" and rows * length > 16_384:
                continue
            result = compare(workers, args.rounds, length=length, batch=rows)
            print(f"{folder.name} {part} {rows:2} x {length:4} tokens: {result}", flush=True)
    for worker in workers.values():
        worker.close()


def print_packing(folder: Path, args: argparse.Namespace) -> None:
    """Tokens a second of texts one a row and packed, taking turns."""
    worker = Worker("packing", "ours", folder, args.attention)
    kinds = {"one a row": 0, "packed": 128}
    tokens, shares = {}, {}
    for kind, length in kinds.items():
        mask = short_texts(length)[0]["attention_mask"]
        tokens[kind], shares[kind] = int(mask.sum()), float(mask.mean())
        worker(length=length)
        worker(length=length)
    rounds = [
        {kind: tokens[kind] / worker(length=length)["seconds"] for kind, length in kinds.items()}
        for _ in range(args.rounds)
    ]
    alone, packed = (statistics.median(r[kind] for r in rounds) for kind in kinds)
    print(
        f"{folder.name} packing: {alone:,.0f} tokens/s one a row ({shares['one a row']:.0%} of "
        f"places tokens), {packed:,.0f} packed ({shares['packed']:.0%}): {packed / alone:.2f} x",
        flush=True,
    )
    worker.close()


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor()


if __name__ == "__main__":
    main()
