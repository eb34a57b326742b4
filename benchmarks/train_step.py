"""Time and memory of a training step against the Hugging Face guide's own recipe.

    python benchmarks/train_step.py [--steps 20] [--rounds 5] [--models 6x384 4x256] [--bf16]

The recipe is that of the TensorFlow tab of the language-modelling guide: `prepare_tf_dataset`, the
numpy collator `DataCollatorForLanguageModeling`, `AdamWeightDecay`, `model.compile(optimizer)`,
`fit`. Both train the same BERT (vocabulary 30,522) on the same blocks of 128 tokens, batches of 16.
Each is compiled and warmed up once; then rounds of both are interleaved, and the ratio of the
medians is printed, with the lowest and highest ratio of a round. Peak memory is measured in a
process of its own for each. `--share` adds the share of the step outside encoder and head;
`--workers` the throughput of one and two worker processes on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
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

    def fit(self) -> float:
        """Seconds of one pass."""
        begun = time.perf_counter()
        self.model.fit(self.data, verbose=0)
        return time.perf_counter() - begun


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

    def fit(self) -> float:
        """Seconds of one pass."""
        begun = time.perf_counter()
        self.trainer.fit(self.data, verbose=0)
        return time.perf_counter() - begun

    def shares(self) -> dict[str, float]:
        """Seconds of a step by part: data, encoder and head forward and backward, the rest."""
        import tensorflow as tf

        from tfmlm.training.trainer import _expected_targets, _targets

        steps = len(self.data)
        begun = time.perf_counter()
        for _ in self.data:
            pass
        data = (time.perf_counter() - begun) / steps
        features, labels = next(iter(self.data))

        @tf.function
        def passes() -> Any:
            scale = _expected_targets(labels)
            seed = tf.constant([1, 2])
            targets = _targets(labels, 1)
            return self.trainer._gradients(features, *targets, scale, tf.constant(1.0), seed)

        passes()
        begun = time.perf_counter()
        for _ in range(steps):
            passes()
        inside = (time.perf_counter() - begun) / steps
        whole = statistics.median(self.fit() for _ in range(3)) / steps
        return {"step": whole, "forward_backward": inside, "data_alone": data}


SIDES = {"recipe": Recipe, "tfmlm": Ours}


def compare(name: str, steps: int, rounds: int) -> dict[str, Any]:
    """Interleaved rounds of both; milliseconds of a step and the ratios."""
    sides = {side: make(name, steps) for side, make in SIDES.items()}
    for side in sides.values():
        side.fit()
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, runner in sides.items():
            seconds[side].append(runner.fit() / steps)
    ratios = [a / b for a, b in zip(seconds["recipe"], seconds["tfmlm"], strict=True)]
    median = {side: statistics.median(values) for side, values in seconds.items()}
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"peak_gb": peak}))


def workers(name: str, steps: int) -> None:
    """Steps a second of one and of two worker processes, each with a batch of its own."""
    import socket

    for count in (1, 2):
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
        for s in sockets:
            s.close()
        processes = []
        for index in range(count):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": addresses}, "task": task})
            command = [sys.executable, __file__, "--worker", "--models", name]
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
        seconds = max(json.loads(o.splitlines()[-1])["seconds"] for o in outputs)
        rate = count * BATCH * steps / seconds
        print(json.dumps({"workers": count, "rows_per_second": round(rate, 1)}), flush=True)


def worker(name: str, steps: int) -> None:
    """One of the processes of `workers`."""
    from tfmlm.training import MaskedLMTrainer, create_optimizer, get_strategy
    from tfmlm.training.strategy import distribute

    strategy = get_strategy("auto", worker_timeout=120)
    with strategy.scope():
        model = make_model(name)
        trainer = MaskedLMTrainer(model, max_grad_norm=1.0)
        trainer.compile(create_optimizer(2e-5, 10_000)[0])
    rows = make_blocks(steps * BATCH)
    data = tfmlm.prepare_dataset(model, make_tokenizer(), rows, batch_size=BATCH).repeat()
    data = distribute(strategy, data)
    trainer.fit(data, steps_per_epoch=3, verbose=0)
    begun = time.perf_counter()
    trainer.fit(data, steps_per_epoch=steps, verbose=0)
    print(json.dumps({"seconds": time.perf_counter() - begun}))


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
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args.models[0], args.steps)
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
            shares["outside"] = 1 - shares["forward_backward"] / shares["step"]
            print(json.dumps({k: round(v, 4) for k, v in shares.items()}), flush=True)
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
