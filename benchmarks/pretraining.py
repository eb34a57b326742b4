"""The part `scratch` of `quality.py`: models that train from scratch by the clock, taking turns."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from corpus import ENGLISH, english, print_table

from tfmlm.doctor import processor

LENGTH, BATCH, VOCABULARY = 128, 16, 30_522
#: Peak learning rates; the recipe's is that of the other comparison in `quality.py`.
RATES = {"bert": 1e-3, "modernbert": 1e-3, "recipe": 5e-4}
SIDES = tuple(RATES)
WARMUP, TURN = 0.05, 10.0
EVALUATED_BLOCKS, POINTS = 500, 4
BIGRAM_PRIOR = 500.0


class Text:
    """The corpus as blocks, the tokenizer trained on it, and the masked held-out rows."""

    def __init__(self) -> None:
        from tfmlm import load_tokenizer
        from tfmlm.data.blocks import build_blocks
        from tfmlm.data.corpus import files_corpus
        from tfmlm.data.tokenizer_training import train_tokenizer

        folder = english()
        print_table(folder)
        corpus = files_corpus([str(folder / "train.txt")])
        tokenizer = ENGLISH.parent / "english-wordpiece"
        if not (tokenizer / "tokenizer.json").exists():
            train_tokenizer(corpus, "wordpiece", VOCABULARY).save_pretrained(tokenizer)
        self.tokenizer = load_tokenizer(str(tokenizer))
        cache = ENGLISH.parent / "blocks"
        self.blocks = build_blocks(corpus, self.tokenizer, LENGTH, cache_dir=cache)
        held_out = files_corpus([str(folder / "held_out.txt")])
        self.held_out = build_blocks(held_out, self.tokenizer, LENGTH, cache_dir=cache)
        # The last block may be shorter; every row of a batch has the same length here.
        self.train = self.blocks.dataset.select(range(len(self.blocks) - 1))
        chosen = np.random.default_rng(0).permutation(len(self.held_out) - 1)
        self.rows = np.sort(chosen[:EVALUATED_BLOCKS])
        print(f"{self.blocks.tokens:,} tokens to learn from, {self.held_out.tokens:,} held out")

    def evaluator(self, model: Any) -> Any:
        """Held-out figures of a model, always under the same masks."""
        from tfmlm.training import Evaluator

        return Evaluator(
            model, self.tokenizer, self.held_out, rows=self.rows, batch_size=25, pad_to=LENGTH
        )


class Side:
    """One model in training.

    Attributes:
        seconds, steps: of training until now.
        points: figures at a share of the time.
    """

    def __init__(self, name: str, text: Text, seconds: float, seed: int) -> None:
        from transformers import AdamWeightDecay, DataCollatorForLanguageModeling

        from tfmlm import MaskedLMTrainer, prepare_dataset
        from tfmlm.training.metrics import log_unigram
        from tfmlm.training.model_setup import set_unigram_bias
        from tfmlm.training.optimizer import MaskedLMAdamWeightDecay

        model = new_model(name, text.tokenizer, seed)
        self.name, self.budget = name, seconds
        self.seconds, self.steps = 0.0, 0
        self.points: list[dict[str, float]] = []
        self.parameters = model.num_parameters()
        self._evaluate = text.evaluator(model)
        if name == "recipe":
            collator = DataCollatorForLanguageModeling(text.tokenizer, return_tensors="np")
            data = model.prepare_tf_dataset(
                text.train, shuffle=True, batch_size=BATCH, collate_fn=collator
            )
            optimizer = AdamWeightDecay(learning_rate=RATES[name], weight_decay_rate=0.01)
            fitted = model
        else:
            counts = text.blocks.token_counts(len(text.tokenizer))
            set_unigram_bias(model, log_unigram(counts, text.tokenizer))
            data = prepare_dataset(
                model, text.tokenizer, text.train, batch_size=BATCH, seed=seed, drop_remainder=True
            )
            optimizer = MaskedLMAdamWeightDecay(RATES[name], weight_decay_rate=0.01)
            fitted = MaskedLMTrainer(model, seed=seed, max_grad_norm=1.0)
        fitted.compile(optimizer)
        self._optimizer = optimizer
        self._step = fitted.make_train_function()
        self._rows = iter(data.repeat())
        self._step(self._rows)  # Traces and compiles; one step more or less does not matter.

    def turn(self) -> bool:
        """Trains for some seconds, and evaluates at a quarter; returns whether time is left."""
        import tf_keras

        end = min(self.seconds + TURN, self.budget * (len(self.points) + 1) / POINTS)
        while self.seconds < end:
            begun = time.perf_counter()
            if self.name != "recipe":
                rate = RATES[self.name] * course(self.seconds / self.budget)
                tf_keras.backend.set_value(self._optimizer.learning_rate, rate)
            self._step(self._rows)["loss"].numpy()
            self.seconds += time.perf_counter() - begun
            self.steps += 1
        if self.seconds >= self.budget * (len(self.points) + 1) / POINTS:
            figures = self._evaluate()
            names = {"loss": "eval_loss", "top1": "eval_accuracy", "top5": "eval_top5_accuracy"}
            point = {short: float(figures[name]) for short, name in names.items()}
            tokens = self.steps * BATCH * LENGTH / 1e6
            self.points.append({**point, "seconds": self.seconds, "million_tokens": tokens})
        return len(self.points) < POINTS


def course(share: float) -> float:
    """The learning rate's share of its peak when this share of the time has gone."""
    if share < WARMUP:
        return max(share / WARMUP, 0.01)
    return max((1.0 - share) / (1.0 - WARMUP), 0.0)


def new_model(name: str, tokenizer: Any, seed: int = 0) -> Any:
    """A BERT 4×256, or a ModernBERT of Ettin-17M's shape; initial weights by the seed."""
    import tf_keras
    from transformers import BertConfig, ModernBertConfig

    from tfmlm.training.model_setup import build_new_model

    tf_keras.utils.set_random_seed(seed)
    ids = {"pad_token_id": tokenizer.pad_token_id}
    if name != "modernbert":
        return build_new_model(
            BertConfig(
                vocab_size=len(tokenizer),
                hidden_size=256,
                num_hidden_layers=4,
                num_attention_heads=4,
                intermediate_size=1024,
                **ids,
            )
        )
    ids |= {f"{kind}_token_id": tokenizer.cls_token_id for kind in ("cls", "bos")}
    ids |= {f"{kind}_token_id": tokenizer.sep_token_id for kind in ("sep", "eos")}
    return build_new_model(
        ModernBertConfig(
            vocab_size=len(tokenizer),
            hidden_size=256,
            num_hidden_layers=7,
            num_attention_heads=4,
            intermediate_size=384,
            **ids,
        )
    )


# ------------------------------------------------------------------------ guessing by counts


def masked_rows(text: Text) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs and labels of the evaluation, int [rows, tokens]; labels are -100 where not masked."""
    from transformers import BertConfig

    from tfmlm.training.model_setup import build_new_model

    smallest = BertConfig(
        vocab_size=len(text.tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    for features, labels in text.evaluator(build_new_model(smallest))._dataset:
        yield features["input_ids"].numpy(), labels.numpy()


def guesses(text: Text) -> dict[str, dict[str, float]]:
    """Loss, top-1 and top-5 of guessing by frequency, alone and after the token before."""
    from tfmlm.training.metrics import log_unigram

    size = len(text.tokenizer)
    alone = np.exp(log_unigram(text.blocks.token_counts(size), text.tokenizer))
    pairs = np.zeros(0, np.int64)
    found = []
    for start in range(0, len(text.train), 10_000):
        rows = text.train[start : start + 10_000]["input_ids"]
        ids = np.asarray(rows, np.int64)
        found.append((ids[:, :-1] * size + ids[:, 1:]).ravel())
    pairs, counts = np.unique(np.concatenate(found), return_counts=True)
    begins = np.searchsorted(pairs, np.arange(size + 1) * size)
    known: dict[int, np.ndarray] = {}

    def after(token: int) -> np.ndarray:
        if token not in known:
            part = slice(begins[token], begins[token + 1])
            weights = BIGRAM_PRIOR * alone
            weights[pairs[part] - token * size] += counts[part]
            known[token] = weights / weights.sum()
        return known[token]

    sums = {"unigram": np.zeros(3), "bigram": np.zeros(3)}
    count = 0
    for inputs, labels in masked_rows(text):
        for row, column in zip(*np.nonzero(labels != -100), strict=True):
            truth, before = int(labels[row, column]), int(inputs[row, column - 1])
            for name, chances in (
                ("unigram", alone),
                ("bigram", alone if before == text.tokenizer.mask_token_id else after(before)),
            ):
                rank = int((chances > chances[truth]).sum())
                sums[name] += (-np.log(chances[truth]), rank < 1, rank < 5)
            count += 1
    print(f"{count:,} masked tokens are asked for")
    return {
        name: dict(zip(("loss", "top1", "top5"), (values / count).tolist(), strict=True))
        for name, values in sums.items()
    }


# ------------------------------------------------------------------------------ all together


def scratch(seconds: float, seeds: int, names: list[str], results: Path | None) -> None:
    """Trains every side for so many seconds, `seeds` times; prints figures as they come.

    Args:
        seconds: of training, for each side and seed.
        seeds: how many runs: those of the seeds 0, 1, …
        names: sides.
        results: file of runs that are done, to which those of this call are added; None for none.
    """
    print("; ".join(fact.value for fact in processor()))
    text = Text()
    by_counts = guesses(text)
    lines = results.read_text().splitlines() if results and results.exists() else []
    done = [run for run in map(json.loads, lines) if run["budget"] == seconds]
    for seed in range(seeds):
        found = {run["side"] for run in done if run["seed"] == seed}
        sides = [Side(name, text, seconds, seed) for name in names if name not in found]
        for side in sides:
            print(f"{side.name}: {side.parameters / 1e6:.1f} million parameters", flush=True)
        going = list(sides)
        while going:
            going = [side for side in going if side.turn()]
        for side in sides:
            run = {"side": side.name, "seed": seed, "budget": seconds, "points": side.points}
            done.append(run)
            print(json.dumps(run), flush=True)
            if results:
                with results.open("a") as file:
                    file.write(json.dumps(run) + "\n")
    chosen = [run for run in done if run["seed"] < seeds]
    report({n: [r["points"] for r in chosen if r["side"] == n] for n in names}, by_counts)


def report(
    runs: dict[str, list[list[dict[str, float]]]], by_counts: dict[str, dict[str, float]]
) -> None:
    """Prints the table: means over the seeds, and the lowest and highest loss."""
    print("| | seconds | million tokens | held-out loss | top 1 | top 5 |")
    print("|---|---|---|---|---|---|")
    for name, figures in by_counts.items():
        cells = f"{figures['loss']:.3f} | {figures['top1']:.3f} | {figures['top5']:.3f}"
        print(f"| {name} | | | {cells} |")
    for name, points_of in runs.items():
        for points in zip(*points_of, strict=True):
            mean = {key: statistics.mean(point[key] for point in points) for key in points[0]}
            losses = [point["loss"] for point in points]
            spread = f" ({min(losses):.3f}–{max(losses):.3f})" if len(losses) > 1 else ""
            print(
                f"| {name} | {mean['seconds']:.0f} | {mean['million_tokens']:.2f} | "
                f"{mean['loss']:.3f}{spread} | {mean['top1']:.3f} | {mean['top5']:.3f} |"
            )
