"""Held-out figures: token-weighted loss in float32, perplexity, accuracy, under fixed masks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.config import MaskingConfig
from tfmlm.data.blocks import Blocks
from tfmlm.data.masking import IGNORED
from tfmlm.data.pipeline import EpochOrder, Layout, masked_batches
from tfmlm.errors import UserError
from tfmlm.progress import Bar
from tfmlm.training.strategy import distribute, layout_of
from tfmlm.training.trainer import evaluation_sums

EVALUATION_SEED_OFFSET = 1 << 32
"""Keeps the masks of evaluation apart from those of training with the same seed."""


class Evaluator:
    """Evaluates a model on blocks, any number of times, always under the same masks.

    The masks belong to the rows, so the figures do not depend on the batch size.

    Args:
        model: a TF masked LM.
        tokenizer: its fast tokenizer.
        blocks: packed sequences.
        rows: row numbers to evaluate on; None for all.
        batch_size: rows a replica takes at once.
        masking: rates and kind of masking.
        seed: determines the masks.
        strategy: the strategy in whose scope the model was made.
        pad_to: fixed length of the rows, or None to pad to the longest of a batch.

    Raises:
        UserError: there is no row.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        blocks: Blocks,
        *,
        rows: np.ndarray | None = None,
        batch_size: int = 8,
        masking: MaskingConfig | None = None,
        seed: int = 42,
        strategy: tf.distribute.Strategy | None = None,
        pad_to: int | None = None,
    ) -> None:
        self._strategy = strategy or tf.distribute.get_strategy()
        self._model = model
        self._rows = np.arange(len(blocks)) if rows is None else rows
        if not len(self._rows):
            raise UserError("there is no text to evaluate on")
        layout = layout_of(self._strategy, batch_size)
        order = EpochOrder(self._rows, layout.global_rows, None)
        self.steps = order.steps_per_epoch
        self._dataset = distribute(
            self._strategy,
            masked_batches(
                model,
                blocks,
                tokenizer=tokenizer,
                masking=masking or MaskingConfig(),
                layout=layout,
                order=order,
                steps=self.steps,
                seed=seed + EVALUATION_SEED_OFFSET,
                pad_to=pad_to,
            ),
        )
        self._step = tf.function(self._distributed_step, reduce_retracing=True)

    def __call__(self, progress: bool = False) -> dict[str, float]:
        """Returns eval_loss, perplexity, eval_accuracy, eval_top5_accuracy, eval_masked_tokens.

        Args:
            progress: draw a bar on a terminal and in a notebook.

        Raises:
            UserError: no token can be masked in the text.
        """
        sums = np.zeros(4)
        with Bar("Evaluating", self.steps, "batches", visible=progress) as bar:
            for features, labels in self._dataset:
                sums += self._step(features, labels).numpy()
                bar.add(1, loss=f"{sums[0] / max(sums[3], 1):.4f}")
        loss, hits, hits5, count = sums.tolist()
        if not count:
            raise UserError("no token of the evaluation text can be masked")
        return {
            "eval_loss": loss / count,
            "perplexity": perplexity(loss / count),
            "eval_accuracy": hits / count,
            "eval_top5_accuracy": hits5 / count,
            "eval_masked_tokens": int(count),
            "eval_samples": len(self._rows),
        }

    def estimate(self, clock: Callable[[], float]) -> float:
        """Seconds that a call takes, by its second and third batch: the first is compiled."""
        seconds = []
        for features, labels in itertools.islice(self._dataset, 3):
            begun = clock()
            self._step(features, labels).numpy()
            seconds.append(clock() - begun)
        return min(seconds) * self.steps

    def _distributed_step(self, features: Any, labels: Any) -> tf.Tensor:
        sums = self._strategy.run(evaluation_sums, (self._model, features, labels))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)


def evaluate_model(
    model: Any, tokenizer: Any, blocks: Blocks, *, progress: bool = False, **settings: Any
) -> dict[str, float]:
    """Evaluates once; arguments and result as `Evaluator`'s."""
    return Evaluator(model, tokenizer, blocks, **settings)(progress)


def perplexity(loss: float) -> float:
    """exp(loss), infinite where that overflows."""
    return math.exp(loss) if loss < 700 else math.inf


def unigram_loss(
    model: Any,
    tokenizer: Any,
    blocks: Blocks,
    *,
    counts: np.ndarray,
    rows: np.ndarray | None = None,
    masking: MaskingConfig | None = None,
    seed: int = 42,
) -> float:
    """Held-out masked loss of guessing by frequency alone: what a model must beat.

    The distribution is that of the training tokens, add-one smoothed over the vocabulary; the
    masked tokens are those that `Evaluator` predicts.

    Args:
        model: a TF masked LM, for its inputs; its weights are not used.
        tokenizer: its fast tokenizer.
        blocks: packed sequences to evaluate on.
        counts: how often each id occurs in the training text (`Blocks.token_counts`).
        rows: row numbers to evaluate on; None for all.
    """
    log_probabilities = log_unigram(counts, tokenizer)
    layout = Layout(rows=64)
    order = EpochOrder(np.arange(len(blocks)) if rows is None else rows, 64, None)
    batches = masked_batches(
        model,
        blocks,
        tokenizer=tokenizer,
        masking=masking or MaskingConfig(),
        layout=layout,
        order=order,
        steps=order.steps_per_epoch,
        seed=seed + EVALUATION_SEED_OFFSET,
        pad_to=blocks.max_length,
    )
    total, count = 0.0, 0
    for _, labels in batches:
        targets = labels.numpy()
        targets = targets[targets != IGNORED]
        total -= float(log_probabilities[targets].sum())
        count += len(targets)
    return total / max(count, 1)


def log_unigram(counts: np.ndarray, tokenizer: Any) -> np.ndarray:
    """Log-probabilities float64 [vocabulary] from counts, add-one smoothed, specials as rare."""
    smoothed = counts.astype(np.float64) + 1.0
    special = [i for i in tokenizer.all_special_ids if i < len(smoothed)]
    smoothed[special] = 1.0
    return np.log(smoothed / smoothed.sum())
