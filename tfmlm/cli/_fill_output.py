"""Tables with probability bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Items of one mask, best first.
Items = list[dict[str, Any]]
_BAR = 28
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, width: int = _BAR) -> str:
    """A bar of `share` (0 to 1) of `width` characters, in steps of an eighth."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def shown_word(item: dict[str, Any]) -> str:
    """The word that an item stands for; of a target of several pieces also what was scored."""
    piece = item["token_str"].strip() or repr(item["token_str"])
    if item.get("target_exact", True):
        return piece
    return f"{item['target']} (by its first piece, {piece})"


def print_tables(texts: Sequence[str], masks: Sequence[Sequence[Items]]) -> None:
    """Prints one table for each mask of each text."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from tfmlm.figures import percent

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
                    escape(shown_word(item)),
                    percent(item["score"]),
                    f"[cyan]{bar(item['score'])}[/cyan]",
                    escape(" ".join(item["sequence"].split())[:120]),
                )
            console.print(table)
        console.print()
