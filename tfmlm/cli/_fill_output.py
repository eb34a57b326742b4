"""Tables with probability bars, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Items of one mask, best first.
Items = list[dict[str, Any]]
_BAR = 28
_SHOWN = 12
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, width: int = _BAR) -> str:
    """A bar of `share` (0 to 1) of `width` characters, in steps of an eighth."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def print_tables(texts: Sequence[str], masks: Sequence[Sequence[Items]]) -> None:
    """Prints one table for each mask of each text."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    for text, row in zip(texts, masks, strict=True):
        console.print(escape(text), style="bold", soft_wrap=True)
        if not row:
            console.print("  not filled: no mask token, or too long", style="dim")
        for number, items in enumerate(row, start=1):
            if len(row) > 1:
                console.print(f"mask {number} of {len(row)}", style="dim")
            if not items:
                console.print("  outside the window of this long text", style="dim")
                continue
            table = Table(box=None, show_header=False, pad_edge=True)
            for item in items:
                table.add_row(
                    escape(item["token_str"].strip() or repr(item["token_str"])),
                    f"{item['score']:.1%}" if item["score"] >= 0.001 else f"{item['score']:.1e}",
                    f"[cyan]{bar(item['score'])}[/cyan]",
                    escape(" ".join(item["sequence"].split())[:120]),
                )
            console.print(table)
        console.print()


def plot(texts: Sequence[str], masks: Sequence[Sequence[Items]], path: str) -> None:
    """Draws the words and their probabilities, one panel for each mask; at most 12 panels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [
        (text, number, len(row), items)
        for text, row in zip(texts, masks, strict=True)
        for number, items in enumerate(row, start=1)
        if items
    ][:_SHOWN]
    heights = [1.0 + 0.32 * len(items) for *_, items in panels]
    figure, axes = pyplot.subplots(
        len(panels),
        1,
        figsize=(8, sum(heights)),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for axis, (text, number, count, items) in zip(axes[:, 0], panels, strict=True):
        words = [item["token_str"].strip() or repr(item["token_str"]) for item in items]
        scores = [item["score"] for item in items]
        places = range(len(items))
        axis.barh(places, scores, color="#2a6f97")
        axis.set_yticks(places, [_plain(word) for word in words])
        axis.invert_yaxis()
        axis.set_xlim(0, max(scores) * 1.18 or 1)
        axis.set_xlabel("probability")
        for place, score in enumerate(scores):
            axis.text(score, place, f" {score:.3g}", va="center", fontsize=8)
        title = text if len(text) <= 80 else text[:79] + "…"
        if count > 1:
            title += f"  (mask {number} of {count})"
        axis.set_title(_plain(title), fontsize=9, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")
