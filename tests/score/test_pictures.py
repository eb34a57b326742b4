"""The pictures: what is drawn is what was scored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib import image
from matplotlib.figure import Figure

from tfmlm.errors import UserError
from tfmlm.figures import percent
from tfmlm.score import ScoredText, plot_comparison, plot_fills, plot_heat_map
from tfmlm.training.curve import plot_curve

CALM = ScoredText("a b", "ok", [1, 2], [" a", " b"], [-0.1, -0.1], 2)
STARTLED = ScoredText("a b", "ok", [1, 2], [" a", " b"], [-0.1, -9.9], 2)


def items(*scores: float) -> list[dict]:
    return [{"score": s, "token_str": f" w{i}"} for i, s in enumerate(scores)]


def test_a_surprising_token_is_darker(tmp_path: Path) -> None:
    means = []
    for name, scored in (("calm", CALM), ("startled", STARTLED)):
        path = tmp_path / f"{name}.png"
        plot_heat_map([scored], path)
        pixels = image.imread(path)
        means.append(pixels[:, : pixels.shape[1] // 2, :3].mean())
    assert means[1] < means[0]


def test_long_texts_and_unusual_tokens_are_drawn(tmp_path: Path) -> None:
    tokens = ["$x$", "\n", "北", "word" * 20, "<mask>", *["token"] * 300]
    scores = [-0.5, -1.0, -20.0, -3.0, 0.0, *[-2.0] * 300]
    text = ScoredText("t", "ok", list(range(305)), tokens, scores, 304)
    plot_heat_map([text, ScoredText("", "empty")], tmp_path / "map.svg")
    assert "<svg" in (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["map.svg"]


def test_comparison_draws_both_models(tmp_path: Path) -> None:
    path = tmp_path / "both.svg"
    plot_comparison(["a <mask>", "$b$ <mask>"], [items(0.53, 0.21)] * 2, [items(0.74)] * 2, path)
    drawn = {c.strip() for c in re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))}
    assert {"53.0 %", "21.0 %", "74.0 %", "w0", "w1"} <= drawn
    assert {"probability before", "probability after", "a &lt;mask&gt;"} <= drawn


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([items(1.0)], [], "1 texts, 1 and 0 answers"),
        ([[]], [items(1.0)], "exactly one mask"),
        ([[items(1.0), items(1.0)]], [items(1.0)], "exactly one mask"),
    ],
)
def test_comparison_refuses_what_does_not_fit(tmp_path: Path, first, second, message) -> None:
    with pytest.raises(ValueError, match=message):
        plot_comparison(["a"], first, second, tmp_path / "x.png")


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


def test_fills_that_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no mask to draw"):
        plot_fills("a", [])
    with pytest.raises(ValueError, match="2 texts and 1 answers"):
        plot_fills(["a", "b"], [items(0.1)])
