"""Figures without a display."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError

ENDINGS = (".png", ".svg", ".pdf")


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


def new_figure(width: float, height: float) -> Any:
    """A figure of the given size in inches, apart from pyplot's state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, path: str | os.PathLike[str]) -> None:
    """Writes a figure under a temporary name and renames it."""
    from tfmlm.files import atomic_write

    check_path(path)
    ending = Path(path).suffix.lower()[1:]
    with atomic_write(Path(path)) as temporary, warnings.catch_warnings():
        # Characters that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(temporary, dpi=150, format=ending)


def plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")
