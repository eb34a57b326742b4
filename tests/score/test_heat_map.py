"""Heat maps: what is drawn is what was scored."""

from __future__ import annotations

from pathlib import Path

from matplotlib import image

from tests.score.pictures import CALM, STARTLED
from tfmlm.score import ScoredText, plot_heat_map


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
