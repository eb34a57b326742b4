"""Time of the tokenizer graph relative to one thread of the Rust tokenizer.

Covers: WordPiece (bert-base-uncased), byte-level BPE (RoBERTa's components, GPT-2's vocabulary),
Unigram (trained here), texts of 20 and 100 words in batches of 1, 8 and 64; 64 KiB without a space;
compile time and size of the SavedModel. The graph runs as in TF Serving: a SavedModel in a v1
session. Its peers are `encode_batch`, which transformers' fast tokenizers call, and
`encode_batch_fast`, which leaves out offsets. All take turns in one run, on different batches, so
that the machine's load falls on all; printed are ratios of medians (lower is better, below 1 the
graph is faster).

    python -m benchmarks.tokenizer_graph [--family wordpiece] [--ops text] [--rounds 50]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tfmlm  # noqa: E402, I001
import tensorflow as tf  # noqa: E402
import tokenizers  # noqa: E402

from tests.real_data import english_texts  # noqa: E402
from tests.tokenizer_graph import sentencepiece_like, trained  # noqa: E402
from tests.tokenizer_graph.parity import untruncated  # noqa: E402

FAMILIES = {"wordpiece": "bert_uncased", "bpe": "roberta", "unigram": "xlm_roberta"}
# (words, batch) -> what the project aims at, by family
TARGETS = {
    (20, 1): {"wordpiece": 3.0, "bpe": 6.0, "unigram": 8.0},
    (100, 64): {"wordpiece": 0.2, "bpe": 0.5, "unigram": 1.0},
}
SHAPES = ((20, 1), (20, 8), (20, 64), (100, 1), (100, 8), (100, 64))


class Session:
    """A SavedModel's signature in a v1 session."""

    def __init__(self, folder: str, threads: int) -> None:
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self._session, ["serve"], folder)
        signature = meta.signature_def["serving_default"]
        outputs = [signature.outputs[key].name for key in sorted(signature.outputs)]
        self.run = self._session.make_callable(outputs, [signature.inputs["text"].name])


def export(graph: tfmlm.GraphTokenizer, folder: str) -> None:
    """Writes the tokenizer with one padded signature."""
    module = tf.Module()
    module.graph = graph
    signature = [tf.TensorSpec([None], tf.string, name="text")]
    module.call = tf.function(lambda text: graph(text), input_signature=signature, autograph=False)
    tf.saved_model.save(module, folder, signatures=module.call)


def interleaved(
    calls: Sequence[Callable[[], Any]], rounds: int, clock: Callable[[], float]
) -> list[float]:
    """Median seconds of calls that take turns, on a clock of the wall or of the process."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        for _ in range(3):
            call()
    for _ in range(rounds):
        for call, found in zip(calls, times, strict=True):
            start = clock()
            call()
            found.append(clock() - start)
    return [statistics.median(found) for found in times]


def texts_of(words: int, count: int) -> list[list[str]]:
    """Batches of English texts of exactly `words` words."""
    stream = " ".join(english_texts()).split()
    texts = [" ".join(stream[i : i + words]) for i in range(0, len(stream) - words, words)]
    return [texts[i : i + count] for i in range(0, len(texts) - count, count)][:64]


def measure(
    family: str, rounds: int, threads: int, clock=time.perf_counter, ops: str = "core"
) -> dict[str, Any]:
    """All figures of one family."""
    name = FAMILIES[family]
    made = trained.TOKENIZERS.get(name) or sentencepiece_like.FAMILIES[name]
    tokenizer = made()
    start = time.perf_counter()
    graph = tfmlm.GraphTokenizer.from_tokenizer(tokenizer, ops=ops)
    compiled = time.perf_counter() - start
    rust = untruncated(getattr(tokenizer, "backend_tokenizer", tokenizer))
    result: dict[str, Any] = {"compile_seconds": round(compiled, 2)}
    with tempfile.TemporaryDirectory() as folder:
        export(graph, folder)
        size = (Path(folder) / "saved_model.pb").stat().st_size
        result["saved_model_megabytes"] = round(size / 1e6, 2)
        session = Session(folder, threads)
    result["ratios"] = {}
    for words, batch in SHAPES:
        batches = texts_of(words, batch)
        encoded = [[text.encode() for text in part] for part in batches]
        turns = itertools.count()

        def rust_call(batches=batches, turns=turns):
            return rust.encode_batch(batches[next(turns) % len(batches)])

        def fast_call(batches=batches, turns=turns):
            return rust.encode_batch_fast(batches[next(turns) % len(batches)])

        def graph_call(encoded=encoded, turns=turns):
            return session.run(encoded[next(turns) % len(encoded)])

        ours, theirs, fast = interleaved((graph_call, rust_call, fast_call), rounds, clock)
        result["ratios"][f"{words} words, batch {batch}"] = {
            "ratio": round(ours / theirs, 3),
            "ratio_to_fast": round(ours / fast, 3),
            "graph_microseconds": round(ours * 1e6, 1),
            "rust_microseconds": round(theirs * 1e6, 1),
            "target": TARGETS.get((words, batch), {}).get(family),
        }
    result["64 KiB"] = {}
    for name, text in hostile_texts().items():
        data = [text.encode()]
        calls = (lambda d=data: session.run(d), lambda t=text: rust.encode(t))
        ours, theirs = interleaved(calls, 3, clock)
        result["64 KiB"][name] = {"seconds": round(ours, 4), "ratio": round(ours / theirs, 2)}
    return result


def hostile_texts() -> dict[str, str]:
    """64 KiB of text that costs more than its length."""
    size = 1 << 16
    letters = "".join(chr(97 + (i * i * 7 + i // 3) % 26) for i in range(size))
    return {
        "letters without a space": letters,
        "one letter": "a" * size,
        "spaces": " " * size,
        "marks": "a" + "\u0323\u0301" * (size // 4),
        "masks": "[MASK]" * (size // 6),
        "quotes": "'" * size,
    }


def record() -> dict[str, str]:
    """Where this was measured."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return {
        "machine": platform.machine(),
        "cpus": str(os.cpu_count()),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "tokenizers": tokenizers.__version__,
        "commit": commit,
    }


def main() -> None:
    """Prints a table, and JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1, help="of the session")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: time of this process, which a busy machine disturbs less",
    )
    parser.add_argument(
        "--ops", choices=("core", "text"), default="core", help="text: WordPiece by TF Text's op"
    )
    parser.add_argument("--json", help="file to write")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"record": record(), "threads": arguments.threads}
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    results["clock"] = arguments.clock
    for family in arguments.family or FAMILIES:
        result = measure(family, arguments.rounds, arguments.threads, clock, arguments.ops)
        results[family] = result
        print(f"{family}: compiled in {result['compile_seconds']} s, ", end="")
        print(f"{result['saved_model_megabytes']} MB")
        for name, row in result["ratios"].items():
            target = f" (target {row['target']})" if row["target"] else ""
            fast = f", {row['ratio_to_fast']:.3f} to encode_batch_fast"
            print(f"  {name:22} {row['ratio']:8.3f}{target}{fast}, {row['graph_microseconds']} µs")
        for name, row in result["64 KiB"].items():
            print(f"  64 KiB, {name:26} {row['seconds']:8.4f} s, ratio {row['ratio']}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
