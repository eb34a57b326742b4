"""Time and memory of a training step against the Hugging Face guide's own recipe.

    python benchmarks/train_step.py [--steps 20] [--rounds 5] [--models 6x384 4x256] [--bf16]
        [--share] [--memory] [--workers]

The recipe is that of the TensorFlow tab of the language-modelling guide: `prepare_tf_dataset`, the
numpy collator `DataCollatorForLanguageModeling`, `AdamWeightDecay`, `model.compile(optimizer)`,
`fit`. Both train the same BERT (vocabulary 30,522, dropout on) on the same blocks of 128 tokens,
batches of 16. Each is compiled and warmed up once; then rounds of both are interleaved. The time
of a step is that between the ends of consecutive steps inside `fit`, so that neither the start of
an epoch nor its end counts. Printed are the medians of all steps, their ratio, and the lowest and
highest ratio of a round's medians. With `--bf16` ours computes in bfloat16, the recipe does not.

`--memory` adds the peak memory of a process of its own for each. `--share` adds the share of the
step outside encoder and head (data, clipping and optimizer): a step with and one without these
take turns. `--workers` adds the throughput of one and two worker processes on loopback, each bound
to one core.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import tfmlm  # noqa: E402, F401  (before TensorFlow)

LENGTH, BATCH, VOCABULARY = 128, 16, 30_522
MODELS = {"6x384": (6, 384), "4x256": (4, 256)}


def make_model(name: str) -> Any:
    """A BERT of that many layers and hidden units."""
    from transformers import BertConfig

    from tfmlm.training.model_setup import build_new_model

    layers, hidden = MODELS[name]
    return build_new_model(
        BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 32,
            intermediate_size=4 * hidden,
        )
    )


def make_tokenizer() -> Any:
    """A WordPiece tokenizer of that many tokens; which ones does not matter here."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"w{n}" for n in range(VOCABULARY - len(words))]
    raw = BertWordPieceTokenizer({word: n for n, word in enumerate(words)})
    return BertTokenizerFast(tokenizer_object=raw)


def make_blocks(count: int) -> Any:
    """Rows of random tokens between [CLS] and [SEP]."""
    import datasets
    import numpy as np

    rows = np.random.default_rng(0).integers(5, VOCABULARY, (count, LENGTH))
    rows[:, 0], rows[:, -1] = 2, 3
    return datasets.Dataset.from_dict({"input_ids": rows.tolist()})


def step_times(model: Any, data: Any) -> list[float]:
    """Fits one pass; seconds between the ends of consecutive steps."""
    import tf_keras

    ends: list[float] = []

    class Ends(tf_keras.callbacks.Callback):
        _supports_tf_logs = True  # logs are not copied for it

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(time.perf_counter())

    model.fit(data, verbose=0, callbacks=[Ends()])
    return [after - before for before, after in itertools.pairwise(ends)]


class Recipe:
    """The guide's own way."""

    def __init__(self, name: str, steps: int) -> None:
        from transformers import AdamWeightDecay, DataCollatorForLanguageModeling

        self.model = make_model(name)
        collator = DataCollatorForLanguageModeling(
            tokenizer=make_tokenizer(), mlm_probability=0.15, return_tensors="np"
        )
        self.data = self.model.prepare_tf_dataset(
            make_blocks(steps * BATCH), shuffle=True, batch_size=BATCH, collate_fn=collator
        )
        optimizer = AdamWeightDecay(learning_rate=2e-5, weight_decay_rate=0.01)
        self.model.compile(optimizer=optimizer)

    def fit(self) -> list[float]:
        """One pass; seconds of its steps."""
        return step_times(self.model, self.data)


class Ours:
    """The step of `tfmlm train`, on the same rows."""

    def __init__(self, name: str, steps: int) -> None:
        from tfmlm.training import MaskedLMTrainer, create_optimizer

        model = make_model(name)
        self.data = tfmlm.prepare_dataset(
            model, make_tokenizer(), make_blocks(steps * BATCH), batch_size=BATCH
        )
        self.trainer = MaskedLMTrainer(model, max_grad_norm=1.0)
        self.trainer.compile(create_optimizer(2e-5, 10_000)[0])

    def fit(self) -> list[float]:
        """One pass; seconds of its steps."""
        return step_times(self.trainer, self.data)

    def shares(self) -> dict[str, float]:
        """Milliseconds of a step's parts, and the share outside encoder and head."""
        import tensorflow as tf

        from tfmlm.training.trainer import _targets

        list(self.data)
        rows = iter(self.data)
        batches = [next(rows)]
        begun = time.perf_counter()
        batches += rows
        data = (time.perf_counter() - begun) / (len(batches) - 1)

        def passes(features: Any, labels: Any, seed: Any) -> Any:
            """What `MaskedLMTrainer._accumulated` does for one micro-batch."""
            one = tf.constant(1.0)
            return self.trainer._gradients(features, *_targets(labels, 1), one, one, seed)[0]

        def step(features: Any, labels: Any, seed: Any) -> None:
            """The same and what `MaskedLMTrainer.train_step` does after it."""
            gradients = passes(features, labels, seed)
            factor, _ = self.trainer._factor(gradients, tf.constant(0.01))
            variables = self.trainer._trained_variables()
            pairs = zip([g * factor for g in gradients], variables, strict=True)
            self.trainer.optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)

        calls = [tf.function(passes), tf.function(step)]
        times: list[list[float]] = [[], []]
        for turn in range(5):
            for number, (features, labels) in enumerate(batches):
                # The seed is no constant: TensorFlow would draw dropout once, while tracing.
                seed = tf.constant([turn, number])
                for call, found in zip(calls, times, strict=True):
                    begun = time.perf_counter()
                    call(features, labels, seed)
                    if turn:
                        found.append(time.perf_counter() - begun)
        inside, whole = map(statistics.median, times)
        return {
            "encoder_and_head_ms": 1000 * inside,
            "clipping_and_optimizer_ms": 1000 * (whole - inside),
            "data_alone_ms": 1000 * data,
            "outside": 1 - inside / (whole + data),
        }


SIDES = {"recipe": Recipe, "tfmlm": Ours}


def compare(name: str, steps: int, rounds: int) -> dict[str, Any]:
    """Interleaved rounds of both; milliseconds of a step and the ratios."""
    sides = {side: make(name, steps) for side, make in SIDES.items()}
    for side in sides.values():
        side.fit()
    rounds_of: dict[str, list[list[float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, runner in sides.items():
            rounds_of[side].append(runner.fit())
    by_round = {side: [statistics.median(r) for r in all_] for side, all_ in rounds_of.items()}
    ratios = [a / b for a, b in zip(by_round["recipe"], by_round["tfmlm"], strict=True)]
    median = {
        side: statistics.median(itertools.chain(*all_rounds))
        for side, all_rounds in rounds_of.items()
    }
    return {
        "model": name,
        **{f"{side}_ms": round(1000 * value, 1) for side, value in median.items()},
        "times_faster": round(median["recipe"] / median["tfmlm"], 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def peak_memory(name: str, side: str, bf16: bool) -> float:
    """Peak resident memory in GB of a process that trains a few steps."""
    command = [sys.executable, __file__, "--only", side, "--models", name, "--steps", "5"]
    done = subprocess.run(
        [*command, *(["--bf16"] if bf16 else [])], capture_output=True, text=True, check=True
    )
    return round(json.loads(done.stdout.splitlines()[-1])["peak_gb"], 2)


def only(side: str, name: str, steps: int) -> None:
    """Trains one side and prints this process' peak memory."""
    runner = SIDES[side](name, steps)
    runner.fit()
    # Not ru_maxrss: a child's begins at what its parent had when it was started.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = int(status.split("VmHWM:")[1].split()[0])
    print(json.dumps({"peak_gb": kilobytes * 1024 / 1e9}))


def workers(name: str, steps: int) -> None:
    """Rows a second of one and of two worker processes, each on a core and with its own rows."""
    import socket

    single = 0.0
    for count in (1, 2):
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
        for s in sockets:
            s.close()
        processes = []
        for index in range(count):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": addresses}, "task": task})
            command = [sys.executable, __file__, "--worker", str(index), "--models", name]
            processes.append(
                subprocess.Popen(
                    [*command, "--steps", str(steps)],
                    env=os.environ | ({"TF_CONFIG": config} if count > 1 else {}),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
        outputs = [p.communicate()[0] for p in processes]
        seconds = max(json.loads(o.splitlines()[-1])["step_seconds"] for o in outputs)
        rate = count * BATCH / seconds
        single = single or rate
        figures = {"model": name, "workers": count, "rows_per_second": round(rate, 1)}
        print(json.dumps({**figures, "times_one": round(rate / single, 2)}), flush=True)


def worker(name: str, steps: int, index: int) -> None:
    """One of the processes of `workers`; each gets its own core, before TensorFlow starts."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})

    from tfmlm.training import MaskedLMTrainer, create_optimizer, get_strategy
    from tfmlm.training.strategy import distribute

    strategy = get_strategy("auto", worker_timeout=120)
    with strategy.scope():
        model = make_model(name)
        trainer = MaskedLMTrainer(model, max_grad_norm=1.0)
        trainer.compile(create_optimizer(2e-5, 10_000)[0])
    rows = make_blocks(steps * BATCH)
    data = tfmlm.prepare_dataset(model, make_tokenizer(), rows, batch_size=BATCH, seed=index)
    seconds = []

    import tf_keras

    class Ends(tf_keras.callbacks.Callback):
        _supports_tf_logs = True

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seconds.append(time.perf_counter())

    data = distribute(strategy, data.repeat())
    trainer.fit(data, steps_per_epoch=steps, verbose=0, callbacks=[Ends()])
    times = [after - before for before, after in itertools.pairwise(seconds[1:])]
    print(json.dumps({"step_seconds": statistics.median(times)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bf16", action="store_true", help="mixed_bfloat16 for ours")
    parser.add_argument("--share", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--workers", action="store_true")
    parser.add_argument("--only", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        return worker(args.models[0], args.steps, args.worker)
    import tf_keras

    if args.only:
        if args.bf16 and args.only == "tfmlm":
            tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
        return only(args.only, args.models[0], args.steps)
    for name in args.models:
        if args.bf16:
            figures = compare_bf16(name, args.steps, args.rounds)
        else:
            figures = compare(name, args.steps, args.rounds)
        if args.memory:
            for side in SIDES:
                figures[f"{side}_peak_gb"] = peak_memory(name, side, args.bf16)
        print(json.dumps(figures), flush=True)
        if args.share:
            shares = Ours(name, args.steps).shares()
            print(json.dumps({k: round(v, 3) for k, v in shares.items()}), flush=True)
        if args.workers:
            workers(name, args.steps)
    packages = ("tensorflow", "transformers", "datasets")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    print(f"{os.cpu_count()} cores, {platform.machine()}, {platform.python_version()}, {versions}")
    return None


def compare_bf16(name: str, steps: int, rounds: int) -> dict[str, Any]:
    """As `compare`, the recipe in float32 and ours in mixed bfloat16."""
    import tf_keras

    own = Ours.__init__

    def in_bf16(self: Ours, *args: Any) -> None:
        tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
        try:
            own(self, *args)
        finally:
            tf_keras.mixed_precision.set_global_policy("float32")

    Ours.__init__ = in_bf16  # type: ignore[method-assign]
    try:
        return {"precision": "bf16", **compare(name, steps, rounds)}
    finally:
        Ours.__init__ = own  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
