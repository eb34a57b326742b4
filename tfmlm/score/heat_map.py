"""A text as a line of cells, each token the darker the more it surprises the model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfmlm.score.figures import new_figure, plain, save

if TYPE_CHECKING:
    from tfmlm.export.checking.scorer import ScoredText

#: Surprise from which on a cell is as dark as it gets: a probability of 1 in 22,000.
DARKEST = 10.0
_COLUMNS = 92
_MOST_LINES = 60


def plot_heat_map(scored: Sequence[ScoredText], path: str | os.PathLike[str]) -> None:
    """Draws texts token by token; the colour is the surprise −ln p in nats.

    Args:
        scored: what a scorer gave. At most 60 lines are drawn.
        path: file to write; its ending says the format (.png, .svg, .pdf).
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Rectangle

    lines = [line for text in scored for line in _lines(text)][:_MOST_LINES]
    figure = new_figure(10.5, 0.75 + 0.34 * len(lines))
    axis = figure.subplots()
    norm = Normalize(0, DARKEST)
    colours = ScalarMappable(norm, "YlOrRd")
    for number, (heading, cells) in enumerate(lines):
        left = 0.0
        if heading is not None:
            axis.text(0, number + 0.5, plain(heading), va="center", fontsize=9, style="italic")
        for token, surprise in cells:
            width = _width(token)
            colour = "#d9d9d9" if surprise is None else colours.cmap(norm(surprise))
            axis.add_patch(
                Rectangle((left, number + 0.08), width - 0.3, 0.84, color=colour, linewidth=0)
            )
            dark = surprise is not None and surprise > 0.6 * DARKEST
            axis.text(
                left + (width - 0.3) / 2,
                number + 0.5,
                plain(token),
                ha="center",
                va="center",
                fontsize=8,
                family="monospace",
                color="white" if dark else "black",
            )
            left += width
    axis.set_xlim(0, _COLUMNS + 2)
    axis.set_ylim(len(lines), 0)
    axis.axis("off")
    bar = figure.colorbar(colours, ax=axis, fraction=0.025, pad=0.01, extend="max")
    bar.set_label("surprise −ln p (nats)", fontsize=8)
    save(figure, path)


def _lines(text: ScoredText) -> list[tuple[str | None, list[tuple[str, float | None]]]]:
    """A heading and the lines of cells (token, surprise in nats; None: not scored) of a text."""
    if text.pseudo_perplexity is None:
        return []
    heading = (
        f"pseudo-perplexity {text.pseudo_perplexity:.2f}, {text.token_count} tokens, "
        f"pseudo-log-likelihood {text.pseudo_log_likelihood:.2f}"
    )
    lines: list[tuple[str | None, list[tuple[str, float | None]]]] = [(heading, [])]
    cells: list[tuple[str, float | None]] = []
    used = 0.0
    for token, score in zip(text.token_str, text.score, strict=True):
        shown = shorten(token)
        if used + _width(shown) > _COLUMNS and cells:
            lines.append((None, cells))
            cells, used = [], 0.0
        # An exact 0 is a mask token of the text, or a token that is certain: grey or palest.
        cells.append((shown, None if score == 0 else -score))
        used += _width(shown)
    return [*lines, (None, cells)]


def shorten(token: str, most: int = 24) -> str:
    """A token as it is shown: spaces around it dropped, unprintable characters as escapes."""
    stripped = token.strip() or repr(token)
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in stripped)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _width(token: str) -> float:
    return 1.1 * len(token) + 1.3
