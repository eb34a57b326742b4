"""The one look of progress: a bar on terminals and in notebooks, nothing or plain lines elsewhere.

A bar is drawn by rich. In a notebook it is one piece of HTML that is replaced, which needs no
widgets to be installed.
"""

from __future__ import annotations

import io
import sys
import time
from types import TracebackType
from typing import Any

_PAUSE = 0.2
"""Seconds between two drawings."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def shown() -> bool:
    """Whether somebody looks: stderr is a terminal, or this is a notebook."""
    return in_notebook() or sys.stderr.isatty()


#: The bar that is drawn at the moment, above which lines are said.
_current: Bar | None = None


def say(text: str) -> None:
    """One line for whoever watches: on stderr above the bar; in a notebook not in red."""
    if _current is not None and _current.on_terminal:
        _current.say(text)
    else:
        print(text, file=sys.stdout if in_notebook() else sys.stderr, flush=True)


def show_figure(figure: Any) -> None:
    """Shows a figure in a notebook; does nothing elsewhere."""
    if in_notebook():
        from IPython.display import display

        display(figure)


class Bar:
    """A line of progress; a context manager.

    Args:
        description: what is done, such as `Tokenizing`.
        total: what is to be done, or None where it is not known.
        unit: what is counted, such as `texts`; "MB" for bytes in millions.
        done: what has been done before.
        visible: False for no bar whatever the terminal.
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        unit: str = "",
        *,
        done: int = 0,
        visible: bool = True,
    ) -> None:
        self.shown = visible and shown()
        self._description = description
        self._total = total
        self._unit = unit
        self._done = done
        self._figures: dict[str, str] = {}
        self._progress: Any = None
        self._task: Any = None
        self._html: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Bar:
        if not self.shown:
            return self
        self._progress = _progress(in_notebook())
        self._task = self._progress.add_task(
            self._description, total=self._total, completed=self._done, count="", figures=""
        )
        if in_notebook():
            from IPython.display import HTML, display

            self._html = display(HTML(""), display_id=True)
        else:
            self._progress.start()
        global _current
        _current = self
        self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._progress is None:
            return
        global _current
        _current = None
        self._draw()
        if self._html is None:
            self._progress.stop()
        self._progress = None

    @property
    def on_terminal(self) -> bool:
        """Whether it is being drawn on a terminal."""
        return self._progress is not None and self._html is None

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def add(self, count: int, **figures: str) -> None:
        """Goes on by `count`; figures such as `loss="3.1"` stand behind the bar."""
        self.update(self._done + count, **figures)

    def update(self, done: int, **figures: str) -> None:
        """Goes on to `done`."""
        self._done = done
        self._figures |= figures
        if self._progress is None:
            return
        now = time.monotonic()
        if now - self._drawn >= _PAUSE:
            self._drawn = now
            self._draw()

    def _draw(self) -> None:
        self._progress.update(
            self._task,
            completed=self._done,
            count=self._count(),
            figures=figures_line(self._figures),
        )
        if self._html is not None:
            from IPython.display import HTML

            self._html.update(HTML(_as_html(self._progress.get_renderable())))
        else:
            self._progress.refresh()

    def _count(self) -> str:
        if self._unit == "MB":
            return f"{self._done / 1e6:,.1f} MB"
        total = f"/{self._total:,}" if self._total is not None else ""
        return f"{self._done:,}{total} {self._unit}".strip()


def figures_line(figures: dict[str, str]) -> str:
    """Figures as they stand behind a bar: `loss 3.1402  12,345 tokens/s`."""
    return "  ".join(
        f"{value} {name}" if name.endswith("/s") else f"{name} {value}"
        for name, value in figures.items()
    )


def _progress(notebook: bool) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[figures]}", style="cyan"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(file=io.StringIO() if notebook else sys.stderr, force_jupyter=False),
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _as_html(renderable: Any) -> str:
    from rich.console import Console

    console = Console(
        record=True, width=120, file=io.StringIO(), force_terminal=True, force_jupyter=False
    )
    console.print(renderable)
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")
