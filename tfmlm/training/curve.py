"""The course of a run: losses and learning rate over the steps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfmlm.figures import BLUE, GREEN, GREY, ORANGE, check_path, finished, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_curve(
    curve: Sequence[dict[str, Any]],
    evaluations: Sequence[dict[str, Any]] = (),
    unigram: float | None = None,
    initial: float | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws training and held-out loss, and the learning rate, from step 0 on.

    Args:
        curve: points with `step`, `loss` (the mean since the point before) and `learning_rate`.
        evaluations: points with `step` and `eval_loss`.
        unigram: held-out loss of guessing by frequency.
        initial: held-out loss before training.
        path: file to write; its ending says the format (.png, .svg, .pdf). None: no file.

    Returns:
        The figure, which a notebook shows.
    """
    if path is not None:
        check_path(path)
    held_out = [(point["step"], point["eval_loss"]) for point in evaluations]
    if initial is not None:
        held_out = [(0, initial), *held_out]
    # The loss of the first step is that of the weights before it: the course begins at 0.
    steps = [0 if point["step"] == 1 else point["step"] for point in curve]
    with house_style():
        figure = new_figure(7.5, 4.8, "Training")
        losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        losses.plot(steps, [point["loss"] for point in curve], color=BLUE, label="training")
        if held_out:
            marker = {"color": ORANGE, "marker": "o", "markersize": 4, "label": "held out"}
            losses.plot(*zip(*held_out, strict=True), **marker)
        if unigram is not None:
            losses.axhline(unigram, color=GREY, linestyle=":", label="guessing by frequency")
        losses.set_ylabel("nats per masked token")
        losses.set_title("Masked-LM loss")
        losses.legend()
        rates.plot(steps, [point["learning_rate"] for point in curve], color=GREEN)
        rates.set_title("Learning rate")
        rates.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
        rates.set_ylim(bottom=0)
        rates.set_xlabel("step")
        rates.set_xlim(left=0)
        for axis in (losses, rates):
            axis.grid(True)
            axis.tick_params(length=0)
    return finished(figure, path)
