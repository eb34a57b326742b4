"""Time and size of the tokenizer graphs of two checkouts, in turns.

Covers: the tokenizers of `benchmarks/tokenizer_graph.py`, texts of 20 words in batches of 1 and 64.
Each checkout exports its own SavedModel; one process
then runs both in v1 sessions of one thread, in turns, so that the machine's load falls on both.
Printed are the medians of each, hot and after a pause of 50 ms, the median of the ratios of calls
that follow each other (below 1 the second checkout is faster), and the time of a session that does
next to nothing, which is in all of them.

    python -m benchmarks.tokenizer_turns BEFORE AFTER [--family wordpiece] [--ops text]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.tokenizer_graph import FAMILIES, Session, record, texts_of

SHAPES = ((20, 1), (20, 64))
PAUSE_SECONDS = 0.05
# Runs in a checkout: only names that checkouts have had for long.
EXPORT = """
import inspect, sys
import tfmlm
from benchmarks.tokenizer_graph import FAMILIES, export
from tests.tokenizer_graph import sentencepiece_like, trained

family, ops, folder = sys.argv[1:]
name = FAMILIES[family]
made = trained.TOKENIZERS.get(name) or sentencepiece_like.FAMILIES[name]
compile_tokenizer = tfmlm.GraphTokenizer.from_tokenizer
known = "ops" in inspect.signature(compile_tokenizer).parameters
export(compile_tokenizer(made(), **({"ops": ops} if known else {})), folder)
"""


def exported(checkout: Path, family: str, ops: str, folder: str) -> float:
    """Writes the SavedModel of a checkout; its megabytes."""
    root = str(checkout.resolve())
    subprocess.run(
        [sys.executable, "-c", EXPORT, family, ops, folder],
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        check=True,
    )
    return (Path(folder) / "saved_model.pb").stat().st_size / 1e6


def nearly_nothing() -> Session:
    """A session with the lengths of the texts for outputs."""
    module = tf.Module()
    module.call = tf.function(
        lambda text: {"input_ids": tf.strings.length(text), "attention_mask": tf.size(text)},
        input_signature=[tf.TensorSpec([None], tf.string, name="text")],
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=module.call)
        return Session(folder, threads=1)


def measure(sessions: list[Session], words: int, batch: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of each session, hot and after a pause."""
    batches = [[text.encode() for text in part] for part in texts_of(words, batch)]
    hot: list[list[float]] = [[] for _ in sessions]
    paused: list[list[float]] = [[] for _ in sessions]
    for texts in batches[:3]:
        for session in sessions:
            session.run(texts)
    for turn in range(rounds):
        texts = batches[turn % len(batches)]
        # who comes first finds the text cold
        order = range(len(sessions)) if turn % 2 else reversed(range(len(sessions)))
        for k in order:
            session = sessions[k]
            session.run(texts)
            start = time.perf_counter()
            session.run(texts)
            hot[k].append((time.perf_counter() - start) * 1e6)
            if turn % 20 == 0:
                time.sleep(PAUSE_SECONDS)
                start = time.perf_counter()
                session.run(texts)
                paused[k].append((time.perf_counter() - start) * 1e6)
    ratios = [after / before for before, after in zip(hot[-2], hot[-1], strict=True)]
    return {
        "hot": [statistics.median(times) for times in hot],
        "after a pause": [statistics.median(times) for times in paused],
        "ratio": [statistics.median(ratios)],
    }


def main() -> None:
    """Prints one line for each family and shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs=2, type=Path, metavar="FOLDER")
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--ops", choices=("core", "text"), default="core")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1, help="of the sessions")
    arguments = parser.parse_args()
    print(record())
    import tensorflow_text  # noqa: F401  the first checkouts know no WordPiece without it

    for family in arguments.family or FAMILIES:
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            sessions: list[Any] = []
            sessions.append(nearly_nothing())
            for checkout, folder in zip(arguments.checkouts, (first, second), strict=True):
                size = exported(checkout, family, arguments.ops, folder)
                sessions.append(Session(folder, arguments.threads))
                print(f"{family}, {checkout}: {size:.2f} MB")
            for words, batch in SHAPES:
                found = measure(sessions, words, batch, arguments.rounds)
                for state in ("hot", "after a pause"):
                    nothing, before, after = found[state]
                    print(
                        f"  batch {batch:2}, {state:13}: {before:7.1f} µs, {after:7.1f} µs", end=""
                    )
                    print(f" (with {nothing:.1f} µs of the session)")
                print(f"  batch {batch:2}, ratio        : {found['ratio'][0]:.3f}")


if __name__ == "__main__":
    main()
