"""What one model would fill in: a panel of words for each mask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfmlm.figures import (
    BLUE,
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

MOST_PANELS = 12


def plot_fills(
    texts: str | Sequence[str],
    answers: Sequence[Any],
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws the words for each mask and their probabilities; all panels have the same axis.

    Args:
        texts: the texts that were filled, or one text.
        answers: what `fill` gave for them.
        path: file to write; its ending says the format (.png, .svg, .pdf). None: no file.

    Returns:
        The figure, which a notebook shows. At most 12 masks are drawn.

    Raises:
        ValueError: there is no mask to draw, or another number of answers than of texts.
    """
    if path is not None:
        check_path(path)
    if isinstance(texts, str):
        texts, answers = [texts], [answers]
    if len(texts) != len(answers):
        raise ValueError(f"{len(texts)} texts and {len(answers)} answers")
    panels = [
        (text, number, len(masks), items)
        for text, masks in zip(texts, map(_by_mask, answers), strict=True)
        for number, items in enumerate(masks, start=1)
        if items
    ][:MOST_PANELS]
    if not panels:
        raise ValueError("there is no mask to draw")
    most = max(item["score"] for *_, items in panels for item in items)
    heights = [0.42 + 0.2 * len(items) for *_, items in panels]
    with house_style():
        figure = new_figure(7, sum(heights) + 0.75, "Most probable words")
        axes = figure.subplots(
            len(panels), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
        )
        for axis, (text, number, count, items) in zip(axes[:, 0], panels, strict=True):
            word_bars(axis, items, BLUE, most)
            title = shortened(text, 80) + (f"   (mask {number} of {count})" if count > 1 else "")
            axis.set_title(plain(title))
        axes[-1, 0].set_xlabel("probability")
    return finished(figure, path)


def _by_mask(answer: Sequence[Any]) -> list[Any]:
    """A list of items for each mask of a text."""
    return list(answer) if not answer or isinstance(answer[0], list) else [answer]
