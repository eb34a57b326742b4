"""A text as a line of cells, each token the darker the more it surprises the model."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfmlm.figures import check_path, finished, fonts, house_style, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfmlm.export.checking.scorer import ScoredText

#: Surprise from which on a cell is as dark as it gets: a probability of 1 in 22,000.
DARKEST = 10.0
_COLUMNS = 92
_MOST_LINES = 60
_INCHES = 0.1
#: Probabilities that the colour bar names.
_TICKS = (1.0, 0.1, 0.01, 0.001, 0.0001)


def plot_heat_map(
    scored: Sequence[ScoredText] | ScoredText, path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draws texts token by token; the less probable a token, the darker (by −ln p).

    Args:
        scored: what a scorer gave. At most 60 lines are drawn.
        path: file to write; its ending says the format (.png, .svg, .pdf). None: no file.

    Returns:
        The figure, which a notebook shows.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    if path is not None:
        check_path(path)
    texts = list(scored) if isinstance(scored, Sequence) else [scored]
    lines = [line for text in texts for line in _lines(text)][:_MOST_LINES]
    used = max([40.0, *(sum(_width(t) for t, _ in cells) for _, cells in lines)])
    with house_style():
        figure = new_figure(
            _INCHES * used + 0.2, 1.15 + 0.34 * len(lines), "Probability of each token"
        )
        axis = figure.subplots()
        colours = ScalarMappable(Normalize(0, DARKEST), "YlOrRd")
        for number, (heading, cells) in enumerate(lines):
            if heading is not None:
                axis.text(0, number + 0.55, plain(heading), va="center", fontsize=8.5)
            _draw(axis, number, cells, colours)
        axis.set_xlim(0, used)
        axis.set_ylim(max(len(lines), 1), 0)
        axis.axis("off")
        bar = figure.colorbar(
            colours, ax=axis, location="bottom", anchor=(0.0, 0.5), shrink=0.5, aspect=36, pad=0.02
        )
        bar.set_ticks([-math.log(p) for p in _TICKS], labels=[f"{100 * p:g} %" for p in _TICKS])
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    return finished(figure, path)


def _draw(axis: Any, line: int, cells: list[tuple[str, float | None]], colours: Any) -> None:
    """Draws one line of cells."""
    from matplotlib.patches import Rectangle

    left = 0.0
    for token, surprise in cells:
        width = _width(token)
        colour = "#d9d9d9" if surprise is None else colours.to_rgba(surprise)
        axis.add_patch(Rectangle((left, line + 0.08), width - 0.3, 0.84, color=colour, linewidth=0))
        axis.text(
            left + (width - 0.3) / 2,
            line + 0.5,
            plain(token),
            ha="center",
            va="center",
            fontsize=8,
            family=fonts("DejaVu Sans Mono"),
            color="white" if surprise is not None and surprise > 0.6 * DARKEST else "black",
        )
        left += width


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
