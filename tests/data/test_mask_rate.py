"""A rate of masking that changes over the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.training import small
from tfmlm.config import MaskingConfig
from tfmlm.data.mask_rate import MaskRate
from tfmlm.data.masking import IGNORED
from tfmlm.data.pipeline import EpochOrder, Layout, masked_batches


def test_rates_are_linear_between_the_two_steps() -> None:
    rate = MaskRate(0.3, 0.1, 4, 8)
    found = [float(rate(tf.constant(step, tf.int64))) for step in range(11)]
    expected = [0.3] * 5 + [0.25, 0.2, 0.15] + [0.1] * 3
    assert found == pytest.approx(expected, abs=1e-6)
    assert float(MaskRate(0.3, 0.1, 0, 0)(tf.constant(0))) == pytest.approx(0.3)


@pytest.mark.parametrize("masking", [MaskingConfig(), MaskingConfig(span_masking=True)])
def test_each_step_masks_at_its_rate_from_wherever_the_run_goes_on(
    masking: MaskingConfig, tmp_path: Path
) -> None:
    blocks = small.blocks(tmp_path, words=True)
    model, tokenizer = small.model(), small.tokenizer()
    layout = Layout(rows=32, replicas=2)

    def batches(rate: MaskRate | None, first_step: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
        order = EpochOrder(np.arange(len(blocks)), layout.global_rows, seed=3)
        dataset = masked_batches(
            model,
            blocks,
            tokenizer=tokenizer,
            masking=masking,
            layout=layout,
            order=order,
            steps=6,
            first_step=first_step,
            seed=3,
            pad_to=small.LENGTH,
            rate=rate,
        )
        return [(f["input_ids"].numpy(), labels.numpy()) for f, labels in dataset]

    rate = MaskRate(0.9, 0.1, 2, 5)
    whole = batches(rate)
    for later, expected in zip(batches(rate, 3), whole[6:], strict=True):
        for a, b in zip(later, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    special = list(tokenizer.all_special_ids)
    for step in range(6):
        labels = np.concatenate([whole[2 * step + replica][1] for replica in range(2)])
        ids = np.concatenate([whole[2 * step + replica][0] for replica in range(2)])
        selected = labels != IGNORED
        maskable = selected | ~np.isin(ids, special)
        expected = float(rate(tf.constant(step, tf.int64)))
        assert selected.sum() / maskable.sum() == pytest.approx(expected, abs=0.07), step
    # A rate that stays is the same as none.
    same = MaskRate(masking.mlm_probability, masking.mlm_probability, 0, 5)
    for a, b in zip(batches(same), batches(None), strict=True):
        np.testing.assert_array_equal(a[1], b[1])
