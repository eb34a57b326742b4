"""Strategies by name in one process, and the data layout that each of them means."""

from __future__ import annotations

import os

import pytest
import tensorflow as tf

from tfmlm.config import STRATEGIES
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.pipeline import Layout
from tfmlm.errors import UserError
from tfmlm.training.strategy import (
    distribute,
    get_strategy,
    is_chief,
    layout_of,
    lost_workers_as_failed_run,
    wait_for_all,
    worker_count,
    worker_number,
)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster in the environment."""
    for name in os.environ:
        if name == "TF_CONFIG" or name.startswith("SLURM"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["auto", "one_device", "mirrored"])
def test_one_process_has_the_whole_step(name: str) -> None:
    strategy = get_strategy(name)
    growth = BatchGrowth(3, 10)
    assert (worker_number(strategy), worker_count(strategy)) == (0, 1)
    assert is_chief(strategy)
    assert layout_of(strategy, 6, growth) == Layout(6, 1, 0, 1, growth)
    assert layout_of(strategy, 6).global_rows == 6 * strategy.num_replicas_in_sync
    wait_for_all(strategy)
    dataset = tf.data.Dataset.range(4)
    handed = distribute(strategy, dataset)
    assert [int(x) for x in handed] == [0, 1, 2, 3]
    assert (handed is dataset) == (name != "mirrored")


def test_a_cluster_of_one_is_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    config = '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", config)
    assert isinstance(get_strategy("auto"), tf.distribute.OneDeviceStrategy)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UserError, match=f"'both'; choose from {', '.join(STRATEGIES)}$"):
        get_strategy("both")
    with pytest.raises(UserError, match="set TF_CONFIG on each"):
        get_strategy("multi_worker")


def test_a_run_of_one_process_has_no_workers_to_lose() -> None:
    error = tf.errors.UnavailableError(None, None, "gone")
    with pytest.raises(tf.errors.UnavailableError), lost_workers_as_failed_run(get_strategy()):
        raise error
