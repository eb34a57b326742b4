"""The picture of a run shows the numbers of the run."""

from __future__ import annotations

from tfmlm.training.curve import plot_curve


def test_a_curve_begins_at_step_0() -> None:
    curve = [{"step": s, "loss": 9.0 - s, "learning_rate": s / 10} for s in (1, 5, 9)]
    figure = plot_curve(curve, [{"step": 9, "eval_loss": 2.0}], 6.0, 7.0)
    losses, rates = figure.axes
    training, held_out, unigram = losses.get_lines()
    assert training.get_xydata().tolist() == [[0, 8], [5, 4], [9, 0]]
    assert held_out.get_xydata().tolist() == [[0, 7], [9, 2]]
    assert set(unigram.get_ydata()) == {6.0}
    assert rates.get_xlim()[0] == losses.get_xlim()[0] == 0
