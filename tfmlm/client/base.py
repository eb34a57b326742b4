"""What the two clients share: the public calls, carrying out the steps of a job."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from tfmlm.client.errors import ServingError
from tfmlm.client.job import FillJob, Pause, Predict, ScoreJob
from tfmlm.client.results import Answer, Scores
from tfmlm.client.settings import Retries
from tfmlm.errors import UserError

#: Longest answer that clients take unless told otherwise.
MAX_ANSWER_BYTES = 64 * 1024 * 1024

Texts = str | bytes | Sequence[str | bytes]
TopK = int | Sequence[int] | None
Targets = str | Sequence[str] | Sequence[Sequence[str]] | None


class Client(ABC):
    """Fills masks through a server; a context manager, synchronous and asynchronous.

    Args:
        address: what error messages call the server.
        timeout: seconds for one request.
        retries: what to do while the server is unavailable.
        max_batch_size: most texts in one request; a lower limit of the server is found out.
        max_answer_bytes: longer answers are refused.
    """

    def __init__(
        self,
        address: str,
        timeout: float,
        retries: Retries | int,
        max_batch_size: int,
        max_answer_bytes: int,
    ) -> None:
        if timeout <= 0:
            raise UserError(f"timeout must be over 0 seconds. Received: {timeout}")
        if max_batch_size < 1:
            raise UserError(f"max_batch_size must be at least 1. Received: {max_batch_size}")
        if not 0 < max_answer_bytes < 1 << 31:
            raise UserError(
                f"max_answer_bytes must be 1 to {(1 << 31) - 1}. Received: {max_answer_bytes}"
            )
        self.address = address
        self.timeout = timeout
        self.retries = Retries(attempts=retries) if isinstance(retries, int) else retries
        self.max_batch_size = max_batch_size
        self.max_answer_bytes = max_answer_bytes
        self._lock = threading.Lock()

    def fill(
        self, texts: Texts, top_k: TopK = None, targets: Targets = None, *, errors: str = "raise"
    ) -> Any:
        """The fill-mask pipeline's results.

        Args:
            texts: one text or a sequence of texts, with the model's mask token in them.
            top_k: candidates per mask (one number, or one a text); None: the export's default.
            targets: words to score instead of the whole vocabulary, for all texts or one list each.
            errors: `raise`, or `ignore`: an empty list for a text without a mask or too long.

        Returns:
            For one text with one mask a list of `Fill`, for one text with several masks a list of
            such lists; for a sequence of texts a list with one of these for each.

        Raises:
            UserError: a text has no mask or is too long, or an argument is wrong.
            ServingError: the server refused, failed, or could not be reached.
        """
        job = FillJob(texts, top_k, targets, errors)
        return job.result(self._run(job))

    def answers(self, texts: Texts, top_k: TopK = None, targets: Targets = None) -> list[Answer]:
        """Like `fill`, with the status of each text and the text with every mask filled. Never
        raises for the content of a text."""
        return self._run(FillJob(texts, top_k, targets, "ignore"))

    def score(self, texts: Sequence[str | bytes]) -> list[Scores]:
        """How probable the model finds each token of each text, each masked in turn.

        Raises:
            UserError: a text is no string.
            ServingError: the server refused (an export without the signature `score_text`),
                failed, or could not be reached.
        """
        return self._run(ScoreJob(texts))

    async def score_async(self, texts: Sequence[str | bytes]) -> list[Scores]:
        """`score` for asyncio."""
        return await self._run_async(ScoreJob(texts))

    async def fill_async(
        self, texts: Texts, top_k: TopK = None, targets: Targets = None, *, errors: str = "raise"
    ) -> Any:
        """`fill` for asyncio."""
        job = FillJob(texts, top_k, targets, errors)
        return job.result(await self._run_async(job))

    async def answers_async(
        self, texts: Texts, top_k: TopK = None, targets: Targets = None
    ) -> list[Answer]:
        """`answers` for asyncio."""
        return await self._run_async(FillJob(texts, top_k, targets, "ignore"))

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Returns once a version of the model is available.

        Raises:
            ServingError: none is after so many seconds.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                states = self._status(min(self.timeout, max(end - time.monotonic(), 0.1)))
            except ServingError as error:
                failure = error
            else:
                if "AVAILABLE" in states.values():
                    return
                failure = ServingError(
                    "UNAVAILABLE", f"no version is available: {states}", self.address
                )
            if time.monotonic() > end:
                raise failure
            time.sleep(0.1)

    def _wrong(self, what: str) -> ServingError:
        """The error for an answer that is none."""
        return ServingError("INTERNAL", f"the answer is wrong: {what}", self.address)

    def _run(self, job: FillJob | ScoreJob) -> list[Any]:
        steps = job.steps(self.max_batch_size, self.retries, self.address)
        outcome: Any = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = None
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                continue
            try:
                outcome = self._predict(step)
            except ServingError as error:
                outcome = error

    async def _run_async(self, job: FillJob | ScoreJob) -> list[Any]:
        steps = job.steps(self.max_batch_size, self.retries, self.address)
        outcome: Any = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = None
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                continue
            try:
                outcome = await self._predict_async(step)
            except ServingError as error:
                outcome = error

    @abstractmethod
    def _predict(self, request: Predict) -> dict[str, Any]: ...

    @abstractmethod
    async def _predict_async(self, request: Predict) -> dict[str, Any]: ...

    def status(self) -> dict[int, str]:
        """The state of every version the server knows, such as `{1: "AVAILABLE"}`.

        Raises:
            ServingError: the server refused, failed, or could not be reached.
        """
        return self._status(self.timeout)

    @abstractmethod
    def _status(self, timeout: float) -> dict[int, str]: ...

    @abstractmethod
    def close(self) -> None:
        """Closes the synchronous connections."""

    @abstractmethod
    async def aclose(self) -> None:
        """Closes all connections."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
