"""What all figures share: paths, notebooks, axes that are compared, probabilities in per cent."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tests.score.pictures import CALM, items
from tfmlm.errors import UserError
from tfmlm.figures import percent
from tfmlm.score import plot_comparison, plot_fills, plot_heat_map
from tfmlm.training.curve import plot_curve


def test_paths_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.png"):
        plot_heat_map([CALM], tmp_path / "map.txt")
    with pytest.raises(UserError, match="no folder"):
        plot_heat_map([CALM], tmp_path / "nowhere" / "map.png")


def test_figures_are_returned_and_notebooks_show_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    curve = [{"step": s, "loss": 1.0, "learning_rate": 1e-3} for s in (1, 10)]
    for figure in (
        plot_heat_map([CALM]),
        plot_heat_map(CALM),
        plot_fills("a <mask>", items(0.5, 0.1)),
        plot_comparison(["a <mask>"], [items(0.5)], [items(0.4)]),
        plot_curve(curve),
    ):
        assert isinstance(figure, Figure)
        assert figure._repr_png_().startswith(b"\x89PNG")
        assert figure.get_suptitle()
    assert not list(tmp_path.iterdir())


def test_panels_that_are_compared_have_one_axis() -> None:
    both = plot_comparison(["a", "b"], [items(0.9)] * 2, [items(0.1), items(0.2, 0.1)])
    fills = plot_fills(["a <mask>", "<mask> b <mask>"], [items(0.9), [items(0.1), items(0.3)]])
    for figure in (both, fills):
        assert len({axis.get_xlim() for axis in figure.axes}) == 1
        assert figure.axes[0].get_xlim()[1] > 0.9
        labels = [text.get_text() for axis in figure.axes for text in axis.texts]
        assert " 90.0 %" in labels


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (1.0, "100 %"),
        (0.9999, "> 99.9 %"),
        (0.62, "62.0 %"),
        (0.0094, "0.94 %"),
        (0.00099, "0.10 %"),
        (0.00001, "< 0.01 %"),
        (0.0, "0 %"),
    ],
)
def test_probabilities_are_per_cents(share: float, shown: str) -> None:
    assert percent(share) == shown
