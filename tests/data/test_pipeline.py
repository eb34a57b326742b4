"""The order of a whole run: each row once an epoch, each place at one worker."""

from __future__ import annotations

import numpy as np
import pytest

from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.pipeline import EpochOrder, Layout


def test_each_place_of_the_run_is_one_row_of_one_worker() -> None:
    growth = BatchGrowth(3, 4)
    layouts = [Layout(6, workers=2, worker=w, replicas=2, growth=growth) for w in (0, 1)]
    rows = 2 * 6 * 10  # ten steps of two replicas
    found = [layout.places(np.arange(rows)) for layout in layouts]
    places = np.concatenate(found)
    taken = np.sort(places[places >= 0])
    np.testing.assert_array_equal(taken, np.arange(int(layouts[0].first_place(10))))
    steps = np.stack([part.reshape(10, 12) for part in found], axis=1).reshape(10, 24)
    assert [(step >= 0).sum() for step in steps] == [8, 8, 16, 16, *[24] * 6]
    # One device that takes as many rows at once reads the same rows in the same step.
    alone = Layout(24, growth=growth).places(np.arange(240)).reshape(10, 24)
    for one, several in zip(alone, steps, strict=True):
        assert set(one) - {-1} == set(several) - {-1}


@pytest.mark.parametrize("seed", [None, 3])
def test_each_row_is_read_once_an_epoch(seed: int | None) -> None:
    rows = np.arange(100, 119)
    order = EpochOrder(rows, 8, seed)
    assert order.steps_per_epoch == 3
    epochs = [order.rows_at(np.arange(24 * epoch, 24 * epoch + 24)) for epoch in range(3)]
    for read in epochs:
        assert sorted(read[:19]) == rows.tolist()
        assert set(read[19:]) == {-1}
    assert (epochs[0].tolist() == epochs[1].tolist()) == (seed is None)
    # Any places can be asked for, whatever was asked before.
    places = np.array([50, -1, 3, 27, 23])
    whole = np.concatenate(epochs)
    expected = np.where(places < 0, -1, whole[places])
    np.testing.assert_array_equal(EpochOrder(rows, 8, seed).rows_at(places), expected)
