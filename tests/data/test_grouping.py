"""Batches of rows of similar length: each row once an epoch, less padding, steps in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training import small
from tfmlm.config import MaskingConfig
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.corpus import iterable_corpus
from tfmlm.data.masking import IGNORED
from tfmlm.data.pipeline import EpochOrder, Layout, masked_batches
from tfmlm.data.streaming import BlockStream, streamed_batches

ROWS = 8


def padding(batches: list[np.ndarray]) -> float:
    """Share of padding if every batch is padded to its longest row."""
    places = sum(batch.max() * len(batch) for batch in batches)
    return 1 - sum(batch.sum() for batch in batches) / places


def steps_of(order: EpochOrder, epoch: int) -> list[np.ndarray]:
    """Rows of the steps of an epoch."""
    size = order.steps_per_epoch * ROWS
    rows = order.rows_at(np.arange(epoch * size, (epoch + 1) * size))
    return [part[part >= 0] for part in rows.reshape(-1, ROWS)]


@pytest.mark.parametrize("count", [1, 7, 8, 400, 411])
def test_every_row_once_an_epoch_and_rows_of_a_step_are_alike(count: int) -> None:
    lengths = np.random.default_rng(1).geometric(0.03, 1000)
    rows = np.random.default_rng(2).permutation(1000)[:count]
    plain, order = (EpochOrder(rows, ROWS, 3, given) for given in (None, lengths))
    seen = [steps_of(order, epoch) for epoch in range(2)]
    for steps in seen:
        np.testing.assert_array_equal(np.sort(np.concatenate(steps)), np.sort(rows))
    if count < 100:
        return
    whole = [lengths[step] for step in seen[0] if len(step) == ROWS]
    spread = np.mean([np.ptp(step) for step in whole])
    random = [lengths[step] for step in steps_of(plain, 0) if len(step) == ROWS]
    assert spread < 0.3 * np.mean([np.ptp(step) for step in random])
    assert padding(whole) < 0.4 * padding(random)
    # In any order: long steps are not at one end, and other rows meet in the next epoch.
    longest = [step.max() for step in whole]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3
    assert {frozenset(step) for step in seen[0]}.isdisjoint({frozenset(step) for step in seen[1]})


def test_batches_in_a_growing_batch_go_on_from_any_step_on_any_devices(tmp_path: Path) -> None:
    blocks = small.blocks(tmp_path, line_by_line=True)
    lengths = blocks.lengths()
    assert lengths.tolist() == [len(row) for row in blocks.dataset["input_ids"]]
    model, tokenizer = small.model(), small.tokenizer()
    growth = BatchGrowth(2, 5)
    stream = BlockStream(
        iterable_corpus(small.lines()),
        tokenizer,
        small.LENGTH,
        line_by_line=True,
        words=False,
        buffer_size=50,
        seed=3,
        group_rows=ROWS,
    )

    def rows(layout: Layout, first_step: int, streaming: bool) -> list[list[tuple]]:
        """By step, the tokens and labels of its rows, without padding."""
        options = {
            "tokenizer": tokenizer,
            "masking": MaskingConfig(mlm_probability=0.3),
            "layout": layout,
            "steps": 9,
            "first_step": first_step,
            "seed": 3,
            "pad_to": None,
        }
        if streaming:
            data = streamed_batches(model, stream, **options)
        else:
            order = EpochOrder(np.arange(len(blocks)), layout.global_rows, 3, lengths)
            data = masked_batches(model, blocks, order=order, **options)
        steps: list[list[tuple]] = []
        for number, (features, labels) in enumerate(data):
            if number % layout.replicas == 0:
                steps.append([])
            real = features["attention_mask"].numpy() == 1
            for ids, truth, kept in zip(
                features["input_ids"].numpy(), labels.numpy(), real, strict=True
            ):
                if (truth != IGNORED).any():
                    steps[-1].append((tuple(ids[kept]), tuple(truth[kept])))
        return steps

    for streaming in (False, True):
        one = rows(Layout(8, growth=growth), 0, streaming)
        assert [len(step) for step in one] == [4] * 5 + [8] * 4
        assert rows(Layout(8, growth=growth), 4, streaming) == one[4:]
        two = rows(Layout(4, replicas=2, growth=growth), 0, streaming)
        assert two == one
