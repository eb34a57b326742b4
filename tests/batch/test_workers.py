"""Tasks are asked for ahead, but not too far, and come back in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tfmlm.batch.runner import FilledRow
from tfmlm.batch.workers import OneProcess, in_their_order


@pytest.mark.parametrize("most", [0, 1, 3, 50])
def test_so_many_are_asked_for_ahead(most: int) -> None:
    asked: list[int] = []

    def submit(task: int) -> Any:
        asked.append(task)
        return None if task % 3 == 0 else f"result {task}"

    ahead, found = [], []
    for pair in in_their_order(iter(range(10)), submit, most):
        found.append(pair)
        ahead.append(len(asked) - len(found))
    assert found == [(n, None if n % 3 == 0 else f"result {n}") for n in range(10)]
    assert ahead == [min(most, 9 - n) for n in range(10)]


class Capitals:
    """Fills rows with their texts in capitals, two at a time."""

    signature, has_targets = "fill_mask", False

    def __call__(
        self, texts: Iterable[str | None], on_rows: Callable[[int], None]
    ) -> Iterator[FilledRow]:
        for number, text in enumerate(texts, start=1):
            yield FilledRow("null") if text is None else FilledRow("ok", filled=text.upper())
            if number % 2 == 0:
                on_rows(2)


def test_one_process_works_when_it_is_asked() -> None:
    told: list[int] = []
    workers = OneProcess(Capitals(), "mlm_", told.append)  # type: ignore[arg-type]
    first, second = workers.submit(["a", None]), workers.submit(["b", "c"])
    assert (workers.rows(), told) == (0, [])
    table = second.result()
    assert table.column("mlm_filled").to_pylist() == ["B", "C"]
    assert (workers.rows(), told) == (2, [2])
    assert first.result().column("mlm_status").to_pylist() == ["ok", "null"]
    assert (workers.rows(), told) == (4, [2, 4])
