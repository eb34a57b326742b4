"""What a machine with a GPU does with tfmlm: ten minutes, and a text to paste into an issue.

    python benchmarks/gpu_check.py > gpu_check.md

Printed are, as Markdown:

- the environment, as `tfmlm doctor` finds it: devices, versions, CUDA, ptxas, libdevice, flags;
- the peak of a matrix product in TF32 and bfloat16;
- training steps of BERT-base and ModernBERT-base (random weights) at 128 and 512 tokens a row,
  8,192 tokens a step, in float32 (TF32 where the device has it) and bfloat16, with XLA and without:
  time, tokens a second, the model's FLOP/s as a share of that peak, peak memory, and how long the
  first step took; for BERT beside it the recipe of the Hugging Face guide (`prepare_tf_dataset`,
  the numpy collator, `AdamWeightDecay`, `fit`);
- the largest difference of the weights after five steps on one device, by accumulation, and on two
  logical devices (without TF32 and dropout; 1e-5 is the bound);
- what an export of BERT-base takes to fill masks, by batch;
- the longest text with which ModernBERT-base makes a training step, tried by doubling.

Every measurement runs in a process of its own, so that one that runs out of memory harms no other.
`--tiny` does all of it in this process with tiny models, on any machine: that it runs is all that
its figures mean. FLOPs are those of the products in encoder, attention and head, three times those
of a forward pass; recomputation is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

MASKED = 0.15
#: Seconds after which a measurement counts as failed.
PATIENCE = 180


@dataclass(frozen=True)
class Size:
    """What is measured: shapes of the models, lengths, tokens of a step, and how often."""

    vocabulary: dict[str, int]
    layers: dict[str, int]
    hidden: int
    inner: dict[str, int]
    heads: int
    lengths: tuple[int, ...]
    tokens: int
    steps: int
    product: int
    batches: tuple[int, ...]
    served_length: int
    longest: int
    variants: tuple[tuple[str, bool], ...]
    recipe_variants: tuple[tuple[str, bool], ...]


FULL = Size(
    vocabulary={"bert": 30_522, "modernbert": 50_368},
    layers={"bert": 12, "modernbert": 22},
    hidden=768,
    inner={"bert": 3072, "modernbert": 1152},
    heads=12,
    lengths=(128, 512),
    tokens=8192,
    steps=10,
    product=8192,
    batches=(1, 8, 32, 128),
    served_length=128,
    longest=131_072,
    variants=(("float32", False), ("float32", True), ("bfloat16", False), ("bfloat16", True)),
    recipe_variants=(
        ("float32", False),
        ("float32", True),
        ("bfloat16", False),
        ("bfloat16", True),
    ),
)
TINY = Size(
    vocabulary={"bert": 200, "modernbert": 200},
    layers={"bert": 1, "modernbert": 2},
    hidden=16,
    inner={"bert": 32, "modernbert": 32},
    heads=2,
    lengths=(16,),
    tokens=32,
    steps=2,
    product=64,
    batches=(1, 2),
    served_length=16,
    longest=128,
    variants=(("float32", False), ("bfloat16", True)),
    recipe_variants=(("float32", False),),
)


# ------------------------------------------------------------------------------- the models


def new_model(size: Size, kind: str, length: int, dropout: float | None = None) -> Any:
    """A BERT or ModernBERT with initial weights, for texts of up to `length` tokens."""
    from transformers import BertConfig, ModernBertConfig

    import tfmlm  # noqa: F401
    from tfmlm.training.model_setup import build_new_model

    shape: dict[str, Any] = {
        "vocab_size": size.vocabulary[kind],
        "hidden_size": size.hidden,
        "num_hidden_layers": size.layers[kind],
        "num_attention_heads": size.heads,
        "intermediate_size": size.inner[kind],
        "max_position_embeddings": length,
        "pad_token_id": 0,
    }
    if kind == "bert":
        if dropout is not None:
            shape |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        return build_new_model(BertConfig(**shape))
    ids = {"cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    return build_new_model(ModernBertConfig(**shape, **ids))


def new_tokenizer(size: Size) -> Any:
    """A WordPiece tokenizer for BERT; which words it has does not matter."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"w{number}" for number in range(size.vocabulary["bert"] - len(words))]
    raw = BertWordPieceTokenizer({word: number for number, word in enumerate(words)})
    return BertTokenizerFast(tokenizer_object=raw)


def ids_and_labels(size: Size, kind: str, rows: int, length: int) -> tuple[Any, Any]:
    """Random ids with masks, and labels, int32 [rows, length]; always the same."""
    import numpy as np

    generator = np.random.default_rng(0)
    ids = generator.integers(5, size.vocabulary[kind], (rows, length), dtype="int32")
    chosen = generator.random(ids.shape) < MASKED
    chosen[:, 1] = True
    return np.where(chosen, 4, ids).astype("int32"), np.where(chosen, ids, -100).astype("int32")


def flops_of(model: Any, rows: int, length: int) -> float:
    """FLOPs of a training step: products of encoder, attention and head."""
    from tfmlm.training.flops import step_flops

    tokens = float(rows * length)
    return float(step_flops(model).of(tokens, MASKED * tokens, length))


# ------------------------------------------------------------------------- the measurements


def peak(size: Size, precision: str) -> dict[str, float]:
    """FLOP/s of a product of large square matrices."""
    import tensorflow as tf

    dtype = tf.bfloat16 if precision == "bfloat16" else tf.float32
    side = size.product if tf.config.list_physical_devices("GPU") else min(size.product, 2048)
    matrix = tf.cast(tf.random.stateless_normal([side, side], [0, 1]), dtype)
    product = tf.function(lambda x: tf.matmul(x, x))
    seconds = timed(lambda: product(matrix).numpy()[0, 0], 5)
    return {"flops": 2 * side**3 / seconds}


def timed(call: Callable[[], Any], times: int) -> float:
    """Median seconds of a call, after two that do not count."""
    call(), call()
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def train(
    size: Size, kind: str, length: int, precision: str, xla: bool, rows: int
) -> dict[str, float]:
    """Seconds of a step of ours, of the first step, FLOPs, and peak memory in bytes."""
    import tensorflow as tf

    import tfmlm
    from tfmlm.training import policy

    half = "bf16" if precision == "bfloat16" else "no"
    with policy.precision(half):
        model = new_model(size, kind, length)
        trainer = tfmlm.MaskedLMTrainer(model, max_grad_norm=1.0, jit_compile=xla)
        trainer.compile(tfmlm.create_optimizer(1e-5, 1000)[0])
        ids, labels = (tf.constant(x) for x in ids_and_labels(size, kind, rows, length))
        features = {"input_ids": ids, "attention_mask": tf.ones_like(ids)}
        step = tf.function(lambda x, y: trainer.train_step((x, y)))
        begun = time.perf_counter()
        loss = step(features, labels)["loss"].numpy()
        first = time.perf_counter() - begun
        seconds = timed(lambda: step(features, labels)["loss"].numpy(), size.steps)
    return {
        "seconds": seconds,
        "first": first,
        "flops": flops_of(model, rows, length),
        "memory": memory(),
        "loss": float(loss),
    }


def recipe(size: Size, length: int, precision: str, xla: bool, rows: int) -> dict[str, float]:
    """The same of the guide's recipe, inside `fit`."""
    import datasets
    from train_step import step_times
    from transformers import AdamWeightDecay, DataCollatorForLanguageModeling

    from tfmlm.training import policy

    half = "bf16" if precision == "bfloat16" else "no"
    with policy.precision(half):
        model = new_model(size, "bert", length)
        ids, labels = ids_and_labels(size, "bert", rows * (size.steps + 3), length)
        blocks = datasets.Dataset.from_dict({"input_ids": ids.tolist()})
        collator = DataCollatorForLanguageModeling(new_tokenizer(size), return_tensors="np")
        data = model.prepare_tf_dataset(blocks, shuffle=True, batch_size=rows, collate_fn=collator)
        optimizer = AdamWeightDecay(learning_rate=1e-5, weight_decay_rate=0.01)
        model.compile(optimizer=optimizer, jit_compile=xla)
        begun = time.perf_counter()
        times = step_times(model, data)
        first = time.perf_counter() - begun - sum(times)
    return {
        "seconds": statistics.median(times),
        "first": first,
        "flops": flops_of(model, rows, length),
        "memory": memory(),
        "loss": 0.0,
    }


def memory() -> float:
    """Peak bytes on the first GPU, or of this process where there is none."""
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return float(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024.0 * int(status.split("VmHWM:")[1].split()[0])


def split_device() -> None:
    """Makes two logical devices of the first one; before TensorFlow looks at it."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    limit = {"memory_limit": 3000} if gpus else {}
    device = (gpus or tf.config.list_physical_devices("CPU"))[0]
    parts = [tf.config.LogicalDeviceConfiguration(**limit) for _ in range(2)]
    # Where memory grows, TensorFlow makes no logical devices.
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, False)
    tf.config.set_logical_device_configuration(device, parts)


def equality(size: Size) -> dict[str, float]:
    """Largest difference of the weights from one device's, by accumulation and on two devices."""
    import numpy as np
    import tensorflow as tf

    import tfmlm
    from tfmlm.training.strategy import distribute

    tf.config.experimental.enable_tensor_float_32_execution(False)
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    # NCCL takes no two ranks on one GPU.
    reduction = tf.distribute.ReductionToOneDevice()
    layouts: dict[str, tuple[Any, int, int]] = {
        "one device": (tf.distribute.OneDeviceStrategy(names[0]), 1, 8),
        "accumulation": (tf.distribute.OneDeviceStrategy(names[0]), 2, 8),
        "two devices": (tf.distribute.MirroredStrategy(names, reduction), 1, 4),
    }
    small = Size(**{**vars(TINY), "layers": {"bert": 2, "modernbert": 2}, "hidden": 32})
    rows = ids_and_labels(small, "bert", 8 * 5, 16)
    weights = {}
    for name, (strategy, accumulation, share) in layouts.items():
        import tf_keras

        tf_keras.utils.set_random_seed(0)
        with strategy.scope():
            model = new_model(small, "bert", 16, dropout=0.0)
            trainer = tfmlm.MaskedLMTrainer(model, accumulation=accumulation, max_grad_norm=1.0)
            trainer.compile(tfmlm.create_optimizer(1e-3, 5, epsilon=1e-6)[0])
        features = {"input_ids": rows[0], "attention_mask": np.ones_like(rows[0])}
        data = tf.data.Dataset.from_tensor_slices((features, rows[1])).batch(share)
        trainer.fit(distribute(strategy, data), steps_per_epoch=5, verbose=0)
        weights[name] = [weight.numpy() for weight in model.weights]
    one = weights.pop("one device")
    return {
        name: max(float(np.abs(a - b).max()) for a, b in zip(found, one, strict=True))
        for name, found in weights.items()
    }


def serving(size: Size) -> dict[str, float]:
    """Milliseconds that an export takes, by texts at a time."""
    import tfmlm

    tokenizer = new_tokenizer(size)
    text = " ".join(["[MASK]", *(f"w{5 * n}" for n in range(size.served_length - 3))])
    with tempfile.TemporaryDirectory() as folder:
        model = new_model(size, "bert", 512)
        export = tfmlm.export_saved_model(model, tokenizer, folder, max_length=size.served_length)
        fill = tfmlm.load(export)
        return {
            str(batch): 1000 * timed(lambda n=batch: fill([text] * n), size.steps)
            for batch in size.batches
        }


WORK: dict[str, Callable[..., dict[str, float]]] = {
    "peak": peak,
    "train": train,
    "recipe": recipe,
    "equality": equality,
    "serving": serving,
}


def measure(tiny: bool, part: str, **request: Any) -> dict[str, Any]:
    """Figures of a part, or what went wrong as `error`."""
    if tiny:
        return WORK[part](TINY, **request)
    command = [sys.executable, __file__, "--work", part, json.dumps(request)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"error": f"over {PATIENCE} s"}
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return dict(json.loads(lines[-1]))
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    memory_ran_out = "RESOURCE_EXHAUSTED" in done.stderr or "OOM" in done.stderr
    return {"error": "out of memory" if memory_ran_out else said[-1][:200]}


# ------------------------------------------------------------------------------- the report


def environment() -> None:
    """What `tfmlm doctor` finds."""
    from tfmlm.doctor import examine

    print("## Environment\n")
    for fact in examine():
        remedy = f" → {fact.remedy}" if fact.remedy else ""
        print(f"- {fact.name}: {fact.value} ({fact.status}){remedy}")


def training(size: Size, tiny: bool) -> None:
    """The tables of peaks and training steps."""
    print("\n## Training steps\n")
    peaks = {}
    for precision in dict.fromkeys(precision for precision, _ in size.variants):
        figures = measure(tiny, "peak", precision=precision)
        peaks[precision] = figures.get("flops", math.nan)
        shown = figures.get("error") or f"{peaks[precision] / 1e12:.2f} TFLOP/s"
        print(f"- matrix product, {precision}: {shown}")
    heads = ("model", "tokens", "precision", "XLA", "step", "tokens/s", "of peak", "memory")
    print(f"\n| {' | '.join(heads)} | first step |")
    print("|---" * (len(heads) + 1) + "|", flush=True)
    for kind in ("bert", "recipe", "modernbert"):
        for length in size.lengths:
            for precision, xla in size.recipe_variants if kind == "recipe" else size.variants:
                rows = size.tokens // length
                request = {"length": length, "precision": precision, "xla": xla, "rows": rows}
                if kind == "recipe":
                    figures = measure(tiny, "recipe", **request)
                else:
                    figures = measure(tiny, "train", kind=kind, **request)
                name = "bert, the guide's recipe" if kind == "recipe" else kind
                begin = f"| {name} | {rows} × {length} | {precision} | {'yes' if xla else 'no'} |"
                print(begin, step_cells(figures, rows * length, peaks[precision]), flush=True)


def step_cells(figures: dict[str, Any], tokens: int, peak_flops: float) -> str:
    """The last cells of a row."""
    if "error" in figures:
        return f"{figures['error']} | | | | |"
    if not math.isfinite(figures["loss"]):
        return f"the loss is {figures['loss']} | | | | |"
    seconds = figures["seconds"]
    return (
        f"{1000 * seconds:.1f} ms | {tokens / seconds:,.0f} | "
        f"{figures['flops'] / seconds / peak_flops:.1%} | {figures['memory'] / 1e9:.2f} GB | "
        f"{figures['first']:.1f} s |"
    )


def other_parts(size: Size, tiny: bool) -> None:
    """Equality, serving, and the longest text."""
    print("\n## Equal weights after five steps\n")
    for name, value in measure(tiny, "equality").items():
        said = value if name == "error" else f"{value:.1e} from one device at most"
        print(f"- {name}: {said}")
    print(f"\n## Filling masks, texts of {size.served_length} tokens\n")
    for name, value in measure(tiny, "serving").items():
        said = value if name == "error" else f"{value:.1f} ms, {value / int(name):.2f} ms a text"
        print(f"- {name}: {said}", flush=True)
    print("\n## The longest text in training, ModernBERT, bfloat16\n")
    length = size.longest if tiny else 1024
    while length <= size.longest:
        figures = measure(
            tiny, "train", kind="modernbert", length=length, precision="bfloat16", xla=False, rows=1
        )
        if "error" in figures:
            print(f"- {length:,} tokens: {figures['error']}", flush=True)
            break
        gigabytes = figures["memory"] / 1e9
        print(f"- {length:,} tokens: {figures['seconds']:.2f} s, {gigabytes:.2f} GB", flush=True)
        length *= 2


def main() -> None:
    parser = argparse.ArgumentParser(description="See the module's text.")
    parser.add_argument("--tiny", action="store_true", help="tiny models, on any machine")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        part, request = args.work
        if part == "equality":
            split_device()
        with contextlib.redirect_stdout(sys.stderr):
            figures = WORK[part](FULL, **json.loads(request))
        print(json.dumps(figures))
        return
    import tensorflow as tf

    if args.tiny:
        split_device()
    elif not tf.config.list_physical_devices("GPU"):
        raise SystemExit("TensorFlow sees no GPU; `--tiny` tries the script without one")
    environment()
    size = TINY if args.tiny else FULL
    training(size, args.tiny)
    other_parts(size, args.tiny)


if __name__ == "__main__":
    main()
