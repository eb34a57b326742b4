"""An export over a column of texts of any length: one result a row, and no row fails the others."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from tfmlm.batch import exports
from tfmlm.errors import UserError
from tfmlm.export import columns
from tfmlm.export.loader import LoadedFillMask, TextCall, load
from tfmlm.export.runs import Limits

#: Words for each mask where neither their number nor targets are given.
TOP_K = 5
SIGNATURES = ("fill_mask", "score_text")


@dataclass(frozen=True)
class FilledRow:
    """What an export says about one row.

    Attributes:
        status: `ok`, `no_mask`, `truncated` (longer than the model takes: masks outside the window
            have no fills), `too_long` (over the export's byte limit, not read), `null` (a missing
            value), or `not_text` (neither a text nor missing).
        fills: for each mask a list of `{"token", "token_str", "score"}`, best first.
        filled: the text with every mask replaced by its best word; None where there was no text.
        mask_count: masks in the text, also those outside the window.
        target_exact: for each target whether it is one piece of the vocabulary; None without
            targets or text.
    """

    status: str
    fills: list[list[dict[str, Any]]] = field(default_factory=list)
    filled: str | None = None
    mask_count: int = 0
    target_exact: list[bool] | None = None


@dataclass(frozen=True)
class ScoredRow:
    """The pseudo-log-likelihood of one row.

    Attributes:
        status: as in `FilledRow`, with `empty` (nothing to score) in place of `no_mask`.
        tokens: for each token `{"token", "token_str", "score"}`; the score is the natural log of
            its probability, 0 for a mask token of the text.
        pseudo_log_likelihood: sum of the scores; None where nothing was scored.
        token_count: how many tokens were scored.
    """

    status: str
    tokens: list[dict[str, Any]] = field(default_factory=list)
    pseudo_log_likelihood: float | None = None
    token_count: int = 0


Row: TypeAlias = FilledRow | ScoredRow


class BatchFiller:
    """Fills the masks of any number of texts, or scores them, in bounded memory.

    Rows of like length are run together, up to `max_tokens` tokens at a time, and given back in
    the order they came in. A window of rows is read ahead, so a generator is read as results are
    taken. A filler can be pickled: its export's path and settings travel, not its weights.

    Example::

        filler = tfmlm.BatchFiller("my_export", top_k=3)
        for row in filler(texts):
            print(row.status, row.filled)
    """

    def __init__(
        self,
        export: str | os.PathLike[str] | LoadedFillMask,
        *,
        signature: str = "fill_mask",
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        max_tokens: int | None = None,
        batch_size: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Loads the export.

        Args:
            export: an export folder or one version of it, also as a URL (`s3://…`, `gs://…`), or
                what `tfmlm.load` gave.
            signature: `fill_mask` or `score_text`.
            top_k: words for each mask, 5 by default; with targets, the best so many of them, all
                by default.
            targets: score these words alone.
            max_tokens: tokens of one run of the model, padding included: what memory follows from.
            batch_size: most rows of one run.
            threads: TensorFlow's threads, where `export` is a folder.

        Raises:
            UserError: there is no such export, it lacks the signature, or an argument is of no use.
        """
        if signature not in SIGNATURES:
            raise UserError(f"signature {signature!r}: give {' or '.join(SIGNATURES)}")
        if signature == "score_text" and (top_k is not None or targets is not None):
            raise UserError("score_text takes no top_k and no targets")
        self._limits = Limits().with_settings(max_tokens, batch_size)
        self._settings = {
            "signature": signature,
            "top_k": top_k,
            "targets": targets if targets is None or isinstance(targets, str) else list(targets),
            "max_tokens": max_tokens,
            "batch_size": batch_size,
            "threads": threads,
        }
        self.signature = signature
        self.has_targets = targets is not None
        self._source = str(export.path if isinstance(export, LoadedFillMask) else export)
        if isinstance(export, LoadedFillMask):
            self.export = export
        else:
            self.export = load(exports.here(self._source), threads=threads)
        self._keep: int | None = None
        self._read: Callable[[dict[str, np.ndarray], list[bytes]], Sequence[Row]]
        if signature == "score_text":
            self._call = TextCall("score_text", _SCORE_OUTPUTS, {}, 1, per_token=True)
            # A text is as many encoder rows as it has tokens: a large window would take minutes.
            self._limits = replace(self._limits, window_rows=256, window_bytes=2**16)
            self.export.definition("score_text")
            self._read = self._scored_rows
            return
        outputs = ("score", "token", "token_str", "mask_count", "filled", "status")
        if targets is None:
            self._call = self.export.text_call(outputs, TOP_K if top_k is None else top_k, None)
        else:
            self._call = self.export.text_call((*outputs, "target_exact"), top_k, targets)
            self._keep = top_k
        self._read = self._filled_rows

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name, value in self._settings.items() if value is not None]
        return f"BatchFiller({str(self.export.path)!r}, {', '.join(given)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (self._source, self._settings)

    def __call__(
        self, texts: Any, *, on_rows: Callable[[int], None] | None = None
    ) -> Iterator[Any]:
        """Yields a `FilledRow` (or a `ScoredRow`) for each text, in the order of the texts.

        Args:
            texts: an iterable of strings or bytes, also a generator; a numpy array, a pandas
                Series, a pyarrow Array. Missing values have the status `null`.
            on_rows: told after each run of the model how many more rows are done with.

        Raises:
            UserError: it is no column, or a column of numbers.
        """
        empty = ScoredRow if self.signature == "score_text" else FilledRow
        absent: deque[str] = deque()
        rows = columns.rows(texts)

        def source() -> Iterator[bytes | None]:
            for row in rows:
                if isinstance(row, bytes):
                    yield row
                else:
                    absent.append("null" if row is None else "not_text")
                    yield None

        found = self.export.in_order(source(), self._call, self._read, self._limits, on_rows)
        return (empty(absent.popleft()) if row is None else row for row in found)

    def _filled_rows(self, outputs: dict[str, np.ndarray], batch: list[bytes]) -> list[FilledRow]:
        counts = outputs["mask_count"].tolist()
        exact = outputs.get("target_exact")
        return [
            FilledRow(
                status=outputs["status"][row].decode(),
                fills=[
                    _items(
                        outputs["token"][row, mask],
                        outputs["token_str"][row, mask],
                        outputs["score"][row, mask],
                        self._keep,
                    )
                    for mask in range(count)
                ],
                filled=outputs["filled"][row].decode("utf-8", "replace"),
                mask_count=count,
                target_exact=None if exact is None else exact[row].tolist(),
            )
            for row, count in enumerate(counts)
        ]

    def _scored_rows(self, outputs: dict[str, np.ndarray], batch: list[bytes]) -> list[ScoredRow]:
        rows = []
        for row, count in enumerate(outputs["token_count"].tolist()):
            likelihood = float(outputs["pseudo_log_likelihood"][row]) if count else None
            tokens = _items(
                outputs["token"][row], outputs["token_str"][row], outputs["score"][row], None
            )
            rows.append(ScoredRow(outputs["status"][row].decode(), tokens, likelihood, count))
        return rows


_SCORE_OUTPUTS = ("token", "token_str", "score", "pseudo_log_likelihood", "token_count", "status")


def _items(
    token: np.ndarray, token_str: np.ndarray, score: np.ndarray, keep: int | None
) -> list[dict[str, Any]]:
    """Those of one mask or text that are there (token −1: none), at most `keep`."""
    there = int(np.count_nonzero(token >= 0))
    there = there if keep is None else min(there, keep)
    return [
        {"token": t, "token_str": s.decode("utf-8", "replace"), "score": p}
        for t, s, p in zip(
            token[:there].tolist(), token_str[:there].tolist(), score[:there].tolist(), strict=True
        )
    ]


def _make(path: str, settings: dict[str, Any]) -> BatchFiller:
    return BatchFiller(path, **settings)
