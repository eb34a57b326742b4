"""Any number of rows through a model: runs of bounded size over rows of like length, in order.

A run of a model pads its rows to the longest, so rows of like length belong together; and its
memory grows with rows times longest row, so that product is what is bounded, not the rows. A
window of rows is read ahead, sorted by length, run, and given back in the order it came in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from tfmlm.errors import UserError

#: Tokens of a run, padding included. On two cores, with texts of mixed length and BERT 6×384, runs
#: of 2,048 to 8,192 tokens take the same time a row, and smaller ones longer.
MAX_TOKENS = 2048

Result = TypeVar("Result")


@dataclass(frozen=True)
class Weight:
    """What a row asks of a run.

    Attributes:
        tokens: columns that it needs in the encoder; 0 if it does not get there.
        places: numbers and strings that its answer holds.
    """

    tokens: int
    places: int = 0


@dataclass(frozen=True)
class Limits:
    """Bounds of one run and of one window.

    Attributes:
        max_tokens: rows times the longest row's tokens; one row alone may be over it.
        max_places: rows times the most places of a row.
        max_rows: rows of a run.
        max_bytes: bytes of the texts of a run.
        window_rows: rows that are read ahead.
        window_bytes: bytes of texts that are read ahead.
    """

    max_tokens: int = MAX_TOKENS
    max_places: int = 2**16
    max_rows: int = 512
    max_bytes: int = 2**20
    window_rows: int = 4096
    window_bytes: int = 2**20

    def with_settings(self, max_tokens: int | None, max_rows: int | None) -> Limits:
        """These limits with what a caller set.

        Raises:
            UserError: a number is under 1.
        """
        limits = self
        for name, value in (("max_tokens", max_tokens), ("max_rows", max_rows)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                shown = "batch_size" if name == "max_rows" else name
                raise UserError(f"{shown} must be an integer of at least 1. Received: {value!r}")
            limits = replace(limits, **{name: value})
        return limits


def in_order(
    texts: Iterable[bytes | None],
    weigh: Callable[[list[bytes]], Sequence[Weight]],
    run: Callable[[list[bytes]], Sequence[Result]],
    limits: Limits,
    on_rows: Callable[[int], None] | None = None,
) -> Iterator[Result | None]:
    """Yields what `run` gives for each text, in the order of the texts; None for None.

    Args:
        texts: read as results are asked for, one window ahead.
        weigh: the weights of some texts.
        run: the results of some texts.
        limits: bounds; memory follows from them, whatever the number of texts.
        on_rows: told after each run how many rows are done with.
    """
    source = iter(texts)
    while window := _read(source, limits):
        given = [(place, text) for place, text in enumerate(window) if text is not None]
        results: list[Result | None] = [None] * len(window)
        if on_rows is not None and len(given) < len(window):
            on_rows(len(window) - len(given))
        weights = weigh([text for _, text in given]) if given else []
        for chosen in _runs([text for _, text in given], weights, limits):
            done = run([given[index][1] for index in chosen])
            for index, result in zip(chosen, done, strict=True):
                results[given[index][0]] = result
            if on_rows is not None:
                on_rows(len(chosen))
        yield from results


def _read(source: Iterator[bytes | None], limits: Limits) -> list[bytes | None]:
    window: list[bytes | None] = []
    size = 0
    for text in islice(source, limits.window_rows):
        window.append(text)
        size += len(text or b"")
        if size >= limits.window_bytes:
            break
    return window


def _runs(texts: Sequence[bytes], weights: Sequence[Weight], limits: Limits) -> Iterator[list[int]]:
    """Indices of the texts of each run, the longest first: what is too much fails at once."""
    order = sorted(range(len(texts)), key=lambda i: (-weights[i].tokens, -weights[i].places, i))
    chosen: list[int] = []
    tokens = places = size = 0
    for index in order:
        weight = weights[index]
        longest = max(tokens, weight.tokens)
        most = max(places, weight.places)
        rows = len(chosen) + 1
        if chosen and (
            rows > limits.max_rows
            or rows * longest > limits.max_tokens
            or rows * most > limits.max_places
            or size + len(texts[index]) > limits.max_bytes
        ):
            yield chosen
            chosen, size, longest, most = [], 0, weight.tokens, weight.places
        chosen.append(index)
        tokens, places, size = longest, most, size + len(texts[index])
    if chosen:
        yield chosen
