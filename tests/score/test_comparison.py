"""Two models side by side: the words and probabilities of both are drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.score.pictures import items
from tfmlm.score import plot_comparison


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
