"""A batch that grows: how many micro-batches a step takes, and which rows of the run they are."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.pipeline import Layout


@pytest.mark.parametrize(("full", "steps"), [(1, 0), (4, 0), (4, 8), (8, 4), (5, 13), (3, 1)])
def test_it_grows_evenly_from_one_to_all(full: int, steps: int) -> None:
    growth = BatchGrowth(full, steps)
    taken = [1 + s * (full - 1) // steps if s < steps else full for s in range(30)]
    assert growth.taken(np.arange(30)).tolist() == taken
    before = [sum(taken[:step]) for step in range(30)]
    assert growth.before(np.arange(30)).tolist() == before
    for step in (0, 3, 29):
        assert int(growth.taken(tf.constant(step, tf.int64))) == taken[step]
        assert int(growth.before(tf.constant(step, tf.int64))) == before[step]
    for wanted in range(1, before[-1]):
        needed = growth.steps_for(wanted)
        assert before[needed] >= wanted > before[needed - 1]


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
