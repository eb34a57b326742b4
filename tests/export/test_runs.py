"""Any number of rows in bounded runs, in their order."""

import random

import pytest

from tfmlm.errors import UserError
from tfmlm.export.runs import Limits, Weight, in_order


def test_in_order_and_within_every_bound() -> None:
    rng = random.Random(0)
    texts = [None if rng.random() < 0.1 else b"x" * rng.randint(0, 40) for _ in range(300)]
    limits = Limits(max_tokens=100, max_places=60, max_rows=7, max_bytes=150, window_rows=50)
    runs, told = [], []

    def run(batch: list[bytes]) -> list[int]:
        runs.append(batch)
        return [len(text) for text in batch]

    def weigh(batch: list[bytes]) -> list[Weight]:
        return [Weight(len(text), len(text) // 2) for text in batch]

    found = list(in_order(iter(texts), weigh, run, limits, told.append))
    assert found == [None if text is None else len(text) for text in texts]
    assert sum(told) == len(texts)
    for batch in runs:
        lengths = [len(text) for text in batch]
        assert len(batch) <= 7 and sum(lengths) <= 150
        assert len(batch) * max(lengths) <= 100 or len(batch) == 1
        assert len(batch) * (max(lengths) // 2) <= 60 or len(batch) == 1
    assert len(runs) < 150  # rows do share runs


def test_texts_are_read_one_window_ahead() -> None:
    read = []

    def source():
        for number in range(100):
            read.append(number)
            yield b"x"

    results = in_order(source(), lambda b: [Weight(1)] * len(b), list, Limits(window_rows=10))
    next(results)
    assert len(read) == 10


@pytest.mark.parametrize("value", [0, -1, 2.5, True])
def test_a_limit_that_is_none(value) -> None:
    with pytest.raises(UserError, match="batch_size must be"):
        Limits().with_settings(None, value)
    with pytest.raises(UserError, match="max_tokens must be"):
        Limits().with_settings(value, None)
    assert Limits().with_settings(3, None) == Limits(max_tokens=3)
