"""Texts side by side in rows: none lost, none cut, few places empty."""

from __future__ import annotations

import numpy as np
import pytest

from tfmlm.data.packing import ID_MASK, STARTS_TEXT
from tfmlm.data.rows import RowPacker


def _packed(sizes: list[int], length: int) -> list[np.ndarray]:
    packer = RowPacker(length, 3)
    texts = (np.full(size, number, np.int32) for number, size in enumerate(sizes, start=1))
    rows = [row for text in texts for row in packer.add(text)]
    return [*rows, *packer.finish()]


@pytest.mark.parametrize("longest", [8, 40, 64])
def test_texts_are_whole_and_places_full(longest: int) -> None:
    sizes = np.random.default_rng(0).integers(3, longest + 1, 2000).tolist()
    rows = _packed(sizes, 64)
    found: dict[int, int] = {}
    for row in rows:
        assert len(row) <= 64
        starts = np.flatnonzero(row & STARTS_TEXT)
        for text in np.split(row & ID_MASK, starts[1:]):
            assert len(set(text.tolist())) == 1
            assert text[0] not in found
            found[int(text[0])] = len(text)
    assert [found[number] for number in range(1, len(sizes) + 1)] == sizes
    full = sum(sizes) / (64 * len(rows))
    assert full > {8: 0.98, 40: 0.95, 64: 0.85}[longest]


def test_rows_depend_on_the_texts_alone_and_full_ones_do_not_wait() -> None:
    packer = RowPacker(8, 3)
    assert [row.tolist() for row in packer.add(np.array([5] * 4, np.int32))] == []
    (row,) = packer.add(np.array([6] * 3, np.int32))
    start = STARTS_TEXT
    assert row.tolist() == [5 | start, 5, 5, 5, 6 | start, 6, 6]
    assert list(packer.finish()) == []
