"""Held-out figures against an independent computation, whatever the batch size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.training import small
from tfmlm.config import MaskingConfig
from tfmlm.data.masking import IGNORED
from tfmlm.data.pipeline import EpochOrder, Layout, masked_batches
from tfmlm.training.metrics import (
    EVALUATION_SEED_OFFSET,
    evaluate_model,
    perplexity,
    unigram_loss,
)


@pytest.fixture(scope="module")
def model():
    return small.model()


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory):
    return small.blocks(tmp_path_factory.mktemp("cache"), line_by_line=True)


ROWS = np.arange(3, 40)


def batches(model, blocks, seed: int = 42):
    return masked_batches(
        model,
        blocks,
        tokenizer=small.tokenizer(),
        masking=MaskingConfig(),
        layout=Layout(rows=len(ROWS)),
        order=EpochOrder(ROWS, len(ROWS), None),
        steps=1,
        seed=seed + EVALUATION_SEED_OFFSET,
        pad_to=None,
    )


def test_figures_are_those_of_numpy(model, blocks) -> None:
    ((features, labels),) = list(batches(model, blocks))
    logits = model(features, training=False).logits.numpy().astype(np.float64)
    labels = labels.numpy()
    chosen, targets = logits[labels != IGNORED], labels[labels != IGNORED]
    right = chosen[np.arange(len(targets)), targets]
    losses = np.log(np.exp(chosen).sum(axis=1)) - right
    better = (chosen > right[:, np.newaxis]).sum(axis=1)

    figures = evaluate_model(model, small.tokenizer(), blocks, rows=ROWS, batch_size=5)
    assert figures["eval_masked_tokens"] == len(targets)
    assert figures["eval_samples"] == len(ROWS)
    assert figures["eval_loss"] == pytest.approx(losses.mean(), rel=1e-6)
    assert figures["perplexity"] == pytest.approx(np.exp(losses.mean()), rel=1e-6)
    assert figures["eval_accuracy"] == pytest.approx((better == 0).mean())
    assert figures["eval_top5_accuracy"] == pytest.approx((better < 5).mean())


def test_figures_do_not_depend_on_the_batch_size_or_padding(model, blocks) -> None:
    figures = [
        evaluate_model(model, small.tokenizer(), blocks, rows=ROWS, batch_size=size, pad_to=pad_to)
        for size, pad_to in ((1, None), (7, None), (64, small.LENGTH))
    ]
    for other in figures[1:]:
        assert other == pytest.approx(figures[0], rel=1e-6)
    seeded = evaluate_model(model, small.tokenizer(), blocks, rows=ROWS, seed=43)
    assert seeded["eval_loss"] != figures[0]["eval_loss"]


def test_masks_of_evaluation_are_not_those_of_training(model, blocks) -> None:
    """Of the same rows in the same order, with the same seed."""
    training, held_out = (
        [labels.numpy() for _, labels in batches(model, blocks, seed=seed)]
        for seed in (42 - EVALUATION_SEED_OFFSET, 42)
    )
    for masked, others in zip(training, held_out, strict=True):
        assert ((masked != IGNORED) != (others != IGNORED)).any(axis=1).mean() > 0.9


def test_unigram_loss(model, blocks) -> None:
    counts = np.zeros(400, np.int64)
    counts[50:150] = np.arange(100)
    tokenizer = small.tokenizer()
    smoothed = counts + 1.0
    smoothed[tokenizer.all_special_ids] = 1
    logs = np.log(smoothed / smoothed.sum())
    ((_, labels),) = list(batches(model, blocks))
    targets = labels.numpy()[labels.numpy() != IGNORED]
    received = unigram_loss(model, tokenizer, blocks, counts=counts, rows=ROWS)
    assert received == pytest.approx(-logs[targets].mean())


def test_perplexity_of_a_diverged_model_is_infinite() -> None:
    assert perplexity(1.0) == pytest.approx(np.e)
    assert perplexity(10_000.0) == np.inf


def test_rows_of_a_run_are_disjoint_and_complete_over_workers(
    model, blocks, tmp_path: Path
) -> None:
    """Two workers with two replicas: each row of the epoch once, fillers at the end only."""
    rows = np.arange(21)
    layouts = [Layout(rows=2, workers=2, worker=w, replicas=2) for w in (0, 1)]
    order = EpochOrder(rows, 8, seed=3)
    seen: list[list[int]] = [[], []]
    for epoch in range(2):
        for layout in layouts:
            local = np.arange(epoch * 12, (epoch + 1) * 12)
            seen[epoch] += order.rows_at(layout.places(local)).tolist()
    for epoch in range(2):
        assert sorted(r for r in seen[epoch] if r >= 0) == rows.tolist()
        assert seen[epoch].count(-1) == 3
    assert seen[0] != seen[1]
    one = EpochOrder(rows, 8, seed=3).rows_at(np.arange(24))
    assert sorted(one) == sorted(seen[0])


def test_data_set_goes_on_at_any_step(model, blocks) -> None:
    def read(first: int) -> list[tuple[np.ndarray, np.ndarray]]:
        data = masked_batches(
            model,
            blocks,
            tokenizer=small.tokenizer(),
            masking=MaskingConfig(),
            layout=Layout(rows=4),
            order=EpochOrder(np.arange(10), 4, seed=1),
            steps=9,
            first_step=first,
            seed=1,
            pad_to=None,
        )
        return [(f["input_ids"].numpy(), labels.numpy()) for f, labels in data]

    whole = read(0)
    assert len(whole) == 9
    for first in (1, 3, 8):
        for (ids, labels), (more_ids, more_labels) in zip(whole[first:], read(first), strict=True):
            np.testing.assert_array_equal(ids, more_ids)
            np.testing.assert_array_equal(labels, more_labels)
    first_epoch, second_epoch = whole[:3], whole[3:6]
    assert [ids.tolist() for ids, _ in first_epoch] != [ids.tolist() for ids, _ in second_epoch]


def test_pairs_of_features_suit_the_model(model, blocks) -> None:
    ((features, labels),) = list(batches(model, blocks))
    assert set(features) == {"input_ids", "attention_mask"}  # RoBERTa's tokenizer has no types
    assert {t.dtype for t in (*features.values(), labels)} == {tf.int32}
