"""What one model would fill in: a panel for each mask."""

from __future__ import annotations

import pytest

from tests.score.pictures import items
from tfmlm.score import plot_fills


def test_fills_that_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no mask to draw"):
        plot_fills("a", [])
    with pytest.raises(ValueError, match="2 texts and 1 answers"):
        plot_fills(["a", "b"], [items(0.1)])


def test_at_most_twelve_masks_are_drawn_in_their_order() -> None:
    answers = [[items(n / 100, 0.001), items(), items(0.5)] for n in range(10, 20)]
    figure = plot_fills([f"text {n}" for n in range(10, 20)], answers)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == [f"text {n}   (mask {mask} of 3)" for n in range(10, 16) for mask in (1, 3)]
    assert figure.axes[2].patches[0].get_width() == 0.11
