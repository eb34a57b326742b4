"""Two models side by side: the words they would fill in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from tfmlm.score.figures import new_figure, plain, save

#: Items of one mask, best first, as the fill-mask pipeline gives them.
Items = Sequence[dict[str, Any]]
_COLOURS = ("#8d99ae", "#2a6f97")


def plot_comparison(
    texts: Sequence[str],
    first: Sequence[Items],
    second: Sequence[Items],
    path: str | os.PathLike[str],
    labels: tuple[str, str] = ("before", "after"),
) -> None:
    """Draws what two models fill into the same texts, a row of two panels for each text.

    Args:
        texts: texts with one mask each.
        first: for each text the first model's items, best first (`score`, `token_str`).
        second: the second model's.
        path: file to write; its ending says the format (.png, .svg, .pdf).
        labels: names of the models.

    Raises:
        ValueError: the lists are of different lengths, empty, or an item is missing.
    """
    if not texts or not len(texts) == len(first) == len(second):
        raise ValueError(
            "give the items of both models for each text. Received: "
            f"{len(texts)} texts, {len(first)} and {len(second)} answers"
        )
    if any(not items or isinstance(items[0], list) for items in (*first, *second)):
        raise ValueError("give texts with exactly one mask each")
    most = max(len(items) for items in (*first, *second))
    figure = new_figure(10, len(texts) * (0.75 + 0.2 * most) + 0.3)
    axes = figure.subplots(len(texts), 2, squeeze=False)
    for text, row, answers in zip(texts, axes, zip(first, second, strict=True), strict=True):
        longest = max(items[0]["score"] for items in answers)
        for axis, items, colour in zip(row, answers, _COLOURS, strict=True):
            _bars(axis, items, colour, longest)
        row[0].set_title(plain(text), fontsize=9, loc="left")
    for axis, label in zip(axes[-1], labels, strict=True):
        axis.set_xlabel(f"probability, {label}")
    save(figure, path)


def _bars(axis: Any, items: Items, colour: str, longest: float) -> None:
    scores = [item["score"] for item in items]
    words = [item["token_str"].strip() or repr(item["token_str"]) for item in items]
    axis.barh(range(len(items)), scores, color=colour)
    axis.set_yticks(range(len(items)), [plain(word) for word in words], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, longest * 1.2 or 1)
    axis.tick_params(axis="x", labelsize=7)
    for place, score in enumerate(scores):
        axis.text(score, place, f" {score:.3g}", va="center", fontsize=7)
    axis.spines[["top", "right"]].set_visible(False)
