"""The house style of all figures, and the one place that makes and writes them.

Figures are apart from pyplot's state: they need no display, nothing has to be closed, and a
notebook shows one that a cell returns.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfmlm.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")

INK, BLUE, ORANGE, GREEN, GREY = "#22262b", "#2a6f97", "#d1692b", "#4b8f5f", "#8d99ae"

#: Fonts for the characters that matplotlib's own lacks, where they are installed.
_FALLBACKS = ("Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic")
_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#b8bec7",
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.facecolor": "white",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "font.size": 8.5,
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "path",
    "text.color": INK,
    "xtick.color": "#5b6470",
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
}


def check_path(path: str | os.PathLike[str], flag: str = "path") -> None:
    """Checks a picture's name before anything is computed.

    Raises:
        UserError: its ending is no format, or there is no such folder.
    """
    file = Path(path)
    if file.suffix.lower() not in ENDINGS:
        raise UserError(f"{flag} {path}: give a file name that ends in .png, .svg or .pdf")
    if not file.resolve().parent.is_dir():
        raise UserError(f"{flag} {path}: there is no folder {file.parent}")


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Everything that is drawn inside the block has the house style."""
    import matplotlib

    style: Any = {**_STYLE, "font.family": fonts("DejaVu Sans")}
    with matplotlib.rc_context(style):
        yield


def fonts(first: str) -> list[str]:
    """A font, and those that are asked for the characters that it lacks."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [first, *(name for name in _FALLBACKS if name in installed)]


def new_figure(width: float, height: float, title: str | None = None) -> Figure:
    """A figure of the given size in inches, with its title at the left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that notebooks show also where pyplot was never imported."""

        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            _write(self, buffer, "png")
            return buffer.getvalue()

    figure = ShownFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    if title is not None:
        figure.suptitle(plain(title), x=0.01, ha="left")
    return figure


def finished(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Writes a figure, under a temporary name first, if a path is given; returns it."""
    from tfmlm.files import atomic_write

    if path is not None:
        check_path(path)
        with atomic_write(Path(path)) as temporary:
            _write(figure, temporary, Path(path).suffix.lower()[1:])
    return figure


def _write(figure: Figure, target: Any, kind: str) -> None:
    with warnings.catch_warnings(), house_style():
        # Characters that the fonts lack are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(target, dpi=150, format=kind)


def percent(share: float) -> str:
    """A probability in per cent with three digits at the most: 62.1 %, 3.4 %, 0.05 %, < 0.01 %."""
    value = 100 * share
    if value >= 99.95:
        return "100 %" if share >= 1 else "> 99.9 %"
    if value >= 0.95:
        return f"{value:.1f} %"
    if value >= 0.01:
        return f"{value:.2f} %"
    return "0 %" if share == 0 else "< 0.01 %"


def percent_axis(axis: Any, most: float) -> None:
    """Makes a horizontal axis of probabilities from 0 to a little over `most`, in per cent."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_xlim(0, most * 1.22 or 1)
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axis.grid(True, axis="x")
    axis.tick_params(length=0)


def word_bars(axis: Any, items: Any, colour: str, most: float) -> None:
    """Words and their probabilities as horizontal bars, best first.

    Args:
        items: the fill-mask pipeline's, with `token_str` and `score`.
        most: highest probability of all panels that are compared.
    """
    scores = [item["score"] for item in items]
    words = [plain(_word(item)) for item in items]
    axis.barh(range(len(items)), scores, color=colour, height=0.72)
    axis.set_yticks(range(len(items)), words)
    axis.set_ylim(len(items) - 0.4, -0.6)
    percent_axis(axis, most)
    for place, score in enumerate(scores):
        axis.text(score, place, f" {percent(score)}", va="center", fontsize=7.5)


def _word(item: Any) -> str:
    """The word of an item, or the target that only its first piece was scored of."""
    piece = item["token_str"].strip() or repr(item["token_str"])
    return piece if item.get("target_exact", True) else f"{item['target']} ({piece}…)"


def shortened(text: str, most: int) -> str:
    """A text on one line with an ellipsis where it is longer than `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")
