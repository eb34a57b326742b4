"""One call of `fill` as a series of requests, without doing any input or output itself.

`FillJob.steps` is a generator that yields what to do next and is sent the outcome; the synchronous
and the asynchronous clients of both protocols only carry the steps out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tfmlm.client.errors import ServingError
from tfmlm.client.results import (
    Answer,
    Scores,
    answers_from_outputs,
    require_masks,
    scores_from_outputs,
)
from tfmlm.client.settings import Retries
from tfmlm.errors import UserError

MAX_TOP_K = 1_000_000
#: A server has one limit of rows, or two (its own and that of its batching).
MAX_LIMITS = 4


@dataclass(frozen=True)
class Predict:
    """Send these inputs, [rows, ...] as nested lists, to this signature ("" is the default)."""

    signature: str
    inputs: dict[str, list[Any]]


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Outputs = dict[str, Any]
Steps = Generator[Predict | Pause, Outputs | ServingError | None, list[Answer]]


@dataclass(frozen=True)
class _Row:
    text: str | bytes
    top_k: int | None
    targets: tuple[str, ...] | None


class FillJob:
    """The texts of one call with their options, checked.

    Args:
        texts: one text or a sequence of texts.
        top_k: candidates per mask, for all texts or one number a text; None: the export's default.
        targets: words to score instead of the whole vocabulary, for all texts or one list a text.
        errors: `raise`, or `ignore` for an empty list where a text has no mask or is too long.

    Raises:
        UserError: an argument is of the wrong kind.
    """

    def __init__(
        self,
        texts: str | bytes | Sequence[str | bytes],
        top_k: int | Sequence[int] | None = None,
        targets: str | Sequence[str] | Sequence[Sequence[str]] | None = None,
        errors: str = "raise",
    ) -> None:
        self.single = isinstance(texts, str | bytes)
        self.texts = [texts] if isinstance(texts, str | bytes) else list(texts)
        self.errors = errors
        if errors not in ("raise", "ignore"):
            raise UserError(f"errors must be 'raise' or 'ignore'. Received: {errors!r}")
        for text in self.texts:
            _check_text(text)
        ks = _per_row(top_k, len(self.texts), "top_k")
        for k in ks:
            if k is not None and (
                isinstance(k, bool) or not isinstance(k, int) or not 0 < k <= MAX_TOP_K
            ):
                raise UserError(f"top_k must be an integer of at least 1. Received: {k!r}")
        words = _targets_per_row(targets, len(self.texts))
        self.rows = [_Row(t, k, w) for t, k, w in zip(self.texts, ks, words, strict=True)]

    def steps(self, max_batch_size: int, retries: Retries, address: str) -> Steps:
        """Yields `Predict` and `Pause`; must be sent the outputs, or a ServingError, of the former.

        A refusal for too many rows makes the batches as small as the server says; a server that is
        unavailable is asked again after a pause.
        """

        def read(reply: Outputs, rows: Sequence[_Row]) -> list[Answer]:
            keep = None
            if rows[0].targets is not None:
                keep = [len(r.targets or ()) if r.top_k is None else r.top_k for r in rows]
            answers = answers_from_outputs(reply, len(rows), address, keep)
            return [
                answer
                if answer.target_exact is None or row.targets is None
                else replace(answer, target_exact=answer.target_exact[: len(row.targets)])
                for answer, row in zip(answers, rows, strict=True)
            ]

        answers = yield from _in_batches(self.rows, _request, read, max_batch_size, retries)
        if self.errors == "raise":
            require_masks(self.texts, answers)
        return answers

    def result(self, answers: list[Answer]) -> Any:
        """The pipeline's shape: the fills of one text, or a list with the fills of each."""
        fills = [answer.fills for answer in answers]
        return fills[0] if self.single else fills


class ScoreJob:
    """The texts of one call of `score`, checked.

    Raises:
        UserError: a text is no string.
    """

    def __init__(self, texts: Sequence[str | bytes]) -> None:
        self.texts = list(texts)
        for text in self.texts:
            _check_text(text)

    def steps(self, max_batch_size: int, retries: Retries, address: str) -> Any:
        """As `FillJob.steps`; its value is a list of `Scores`."""

        def request(texts: Sequence[str | bytes]) -> Predict:
            return Predict("score_text", {"text": list(texts)})

        def read(reply: Outputs, texts: Sequence[str | bytes]) -> list[Scores]:
            return scores_from_outputs(reply, len(texts), address)

        return (yield from _in_batches(self.texts, request, read, max_batch_size, retries))


def _in_batches(
    rows: Sequence[Any],
    request: Callable[[Any], Predict],
    read: Callable[[Outputs, Any], list[Any]],
    max_batch_size: int,
    retries: Retries,
) -> Generator[Predict | Pause, Outputs | ServingError | None, list[Any]]:
    """Requests of rows and what their replies hold, in order."""
    pending = deque(_chunks(rows, max_batch_size))
    answers: list[Any] = []
    attempt = limits = 0
    while pending:
        some = pending.popleft()
        reply = yield request(some)
        if isinstance(reply, ServingError):
            limit = reply.batch_limit
            if limit is not None and 0 < limit < len(some) and limits < MAX_LIMITS:
                limits += 1
                left = [row for chunk in (some, *pending) for row in chunk]
                pending = deque(_chunks(left, limit))
            elif reply.retryable and attempt < retries.attempts:
                attempt += 1
                pending.appendleft(some)
                yield Pause(retries.pause(attempt))
            else:
                raise reply
            continue
        attempt = 0
        assert reply is not None
        answers += read(reply, some)
    return answers


def _check_text(text: Any) -> None:
    if isinstance(text, bytes):
        return
    if not isinstance(text, str):
        raise UserError(f"texts must be strings. Received: {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"a text has a lone surrogate at character {error.start}") from None


def _per_row(value: Any, rows: int, name: str) -> list[Any]:
    if value is None or isinstance(value, int):
        return [value] * rows
    values = list(value)
    if len(values) != rows:
        raise UserError(f"{len(values)} values of {name} for {rows} texts")
    return values


def _targets_per_row(targets: Any, rows: int) -> list[tuple[str, ...] | None]:
    if targets is None:
        return [None] * rows
    if isinstance(targets, str):
        targets = [targets]
    targets = list(targets)
    if targets and not isinstance(targets[0], str):
        per_row = [list(row) for row in _per_row(targets, rows, "targets")]
    else:
        per_row = [targets] * rows
    for words in per_row:
        if not words or not all(isinstance(word, str) and word for word in words):
            raise UserError(f"targets must be non-empty strings. Received: {words!r}")
        for word in words:
            _check_text(word)
    return [tuple(words) for words in per_row]


def _chunks(rows: Sequence[Any], size: int) -> list[Any]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _request(rows: list[_Row]) -> Predict:
    texts = [row.text for row in rows]
    if rows[0].targets is not None:
        width = max(len(row.targets or ()) for row in rows)
        padded = [[*(r.targets or ()), *[""] * (width - len(r.targets or ()))] for r in rows]
        return Predict("fill_mask_targets", {"text": texts, "targets": padded})
    if rows[0].top_k is not None:
        ks = [row.top_k for row in rows]
        return Predict("fill_mask_top_k", {"text": texts, "top_k": ks})
    return Predict("", {"text": texts})
