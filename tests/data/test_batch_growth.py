"""A batch that grows: how many micro-batches a step takes, and which rows of the run they are."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.data.batch_growth import BatchGrowth


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
