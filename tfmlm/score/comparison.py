"""Two models side by side: the words they would fill in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfmlm.figures import (
    BLUE,
    GREY,
    check_path,
    finished,
    house_style,
    new_figure,
    plain,
    shortened,
    word_bars,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Items of one mask, best first, as the fill-mask pipeline gives them.
Items = Sequence[dict[str, Any]]


def plot_comparison(
    texts: Sequence[str],
    first: Sequence[Items],
    second: Sequence[Items],
    path: str | os.PathLike[str] | None = None,
    labels: tuple[str, str] = ("before", "after"),
) -> Figure:
    """Draws what two models fill into the same texts, a row of two panels for each text.

    All panels have the same axis.

    Args:
        texts: texts with one mask each.
        first: for each text the first model's items, best first (`score`, `token_str`).
        second: the second model's.
        path: file to write; its ending says the format (.png, .svg, .pdf). None: no file.
        labels: names of the models.

    Returns:
        The figure, which a notebook shows.

    Raises:
        ValueError: the lists are of different lengths, empty, or an item is missing.
    """
    if path is not None:
        check_path(path)
    if not texts or not len(texts) == len(first) == len(second):
        raise ValueError(
            "give the items of both models for each text. Received: "
            f"{len(texts)} texts, {len(first)} and {len(second)} answers"
        )
    if any(not items or isinstance(items[0], list) for items in (*first, *second)):
        raise ValueError("give texts with exactly one mask each")
    rows = [max(len(one), len(two)) for one, two in zip(first, second, strict=True)]
    most = max(items[0]["score"] for items in (*first, *second))
    heights = [0.42 + 0.2 * row for row in rows]
    with house_style():
        figure = new_figure(
            8.5, sum(heights) + 0.75, f"Most probable words, {' and '.join(labels)}"
        )
        axes = figure.subplots(
            len(texts), 2, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
        )
        for text, row, answers in zip(texts, axes, zip(first, second, strict=True), strict=True):
            for axis, items, colour in zip(row, answers, (GREY, BLUE), strict=True):
                word_bars(axis, items, colour, most)
            row[0].set_title(plain(shortened(text, 100)))
        for axis, label in zip(axes[-1], labels, strict=True):
            axis.set_xlabel(f"probability {plain(label)}")
    return finished(figure, path)
