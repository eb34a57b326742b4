"""Fills parts of files one after the other, in this process or in several, in their order."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from tfmlm._quiet import quieten_tensorflow_import
from tfmlm.batch.runner import BatchFiller
from tfmlm.batch.schema import result_schema, result_table
from tfmlm.errors import RunFailedError, UserError
from tfmlm.export import columns

Task = TypeVar("Task")
#: Seconds between two looks at how far the workers are.
_LOOK = 0.2


class Pending(Protocol):
    """A result that is there later."""

    def result(self) -> pa.Table:
        """Waits for it."""


class Workers(Protocol):
    """What fills parts."""

    most: int

    def submit(self, texts: Any) -> Pending:
        """Asks for the results of some texts."""

    def rows(self) -> int:
        """How many rows are done with so far."""


def fill_part(filler: BatchFiller, prefix: str, texts: Any, on_rows: Callable[[int], None]) -> Any:
    """The results of some texts as an Arrow table."""
    schema = result_schema(filler.signature, filler.has_targets, prefix)
    return result_table(list(filler(texts, on_rows=on_rows)), schema, prefix)


class OneProcess:
    """Fills parts in this process, when their results are asked for."""

    most = 0

    def __init__(self, filler: BatchFiller, prefix: str, on_rows: Callable[[int], None]) -> None:
        self._filler, self._prefix, self._on_rows = filler, prefix, on_rows
        self._rows = 0

    def submit(self, texts: Any) -> Pending:
        return _Later(lambda: fill_part(self._filler, self._prefix, texts, self._count))

    def rows(self) -> int:
        return self._rows

    def _count(self, rows: int) -> None:
        self._rows += rows
        self._on_rows(self._rows)


class _Later:
    def __init__(self, call: Callable[[], pa.Table]) -> None:
        self._call = call

    def result(self) -> pa.Table:
        return self._call()


class Processes:
    """Fills parts in processes of their own, each with an equal share of the processors."""

    def __init__(
        self,
        count: int,
        make_filler: Callable[..., BatchFiller],
        arguments: tuple[Any, ...],
        prefix: str,
    ) -> None:
        """Starts them.

        Args:
            count: how many.
            make_filler: called in each with `arguments` and the number of its threads.
            arguments: what can be pickled.
            prefix: of the names of the results' columns.
        """
        self.most = count + 1
        self._others = {process.pid for process in multiprocessing.active_children()}
        context = multiprocessing.get_context("spawn")
        self._counter = context.Value("q", 0)
        self._on_rows: Callable[[int], None] = lambda rows: None
        threads = max(len(os.sched_getaffinity(0)) // count, 1)
        self._pool = futures.ProcessPoolExecutor(
            count, context, _start, (self._counter, make_filler, arguments, threads, prefix)
        )

    def submit(self, texts: Any) -> Pending:
        future = self._pool.submit(_fill, list(columns.rows(texts)))
        return _Later(lambda: self._wait(future))

    def rows(self) -> int:
        return self._counter.value

    def telling(self, on_rows: Callable[[int], None]) -> Processes:
        """These, with a function that is told from time to time how many rows are done with."""
        self._on_rows = on_rows
        return self

    def check(self) -> None:
        """Waits until one of them has loaded the export.

        Raises:
            UserError: it cannot be loaded, or the settings are of no use.
        """
        self._result(self._pool.submit(_loaded))

    def _wait(self, future: futures.Future[pa.Table]) -> pa.Table:
        while not futures.wait([future], timeout=_LOOK).done:
            self._on_rows(self.rows())
        self._on_rows(self.rows())
        return self._result(future)

    @staticmethod
    def _result(future: futures.Future[Any]) -> Any:
        try:
            return future.result()
        except futures.process.BrokenProcessPool:
            raise RunFailedError(
                "a worker process ended (killed, or out of memory); what is done is kept: run the "
                "same command again, with fewer --num_workers if memory is short"
            ) from None

    @contextlib.contextmanager
    def running(self) -> Iterator[Processes]:
        """Ends the processes after the block, at once if it was left by an error."""
        try:
            yield self
        except BaseException:
            for process in multiprocessing.active_children():
                if process.pid not in self._others:
                    process.terminate()
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise
        self._pool.shutdown()


_worker: tuple[BatchFiller, str, Any]
_refused: UserError | None = None


def _start(
    counter: Any,
    make_filler: Callable[..., BatchFiller],
    arguments: tuple[Any, ...],
    threads: int,
    prefix: str,
) -> None:
    global _worker, _refused
    quieten_tensorflow_import()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _worker = make_filler(*arguments, threads=threads), prefix, counter
    except UserError as error:
        _refused = error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _loaded() -> None:
    if _refused is not None:
        raise _refused


def _fill(texts: list[Any]) -> pa.Table:
    filler, prefix, counter = _worker

    def count(rows: int) -> None:
        with counter.get_lock():
            counter.value += rows

    return fill_part(filler, prefix, texts, count)


def in_their_order(
    tasks: Iterable[Task], submit: Callable[[Task], Pending | None], most: int
) -> Iterator[tuple[Task, Pending | None]]:
    """Tasks with their results to come, in order, so many of them asked for ahead."""
    waiting: deque[tuple[Task, Pending | None]] = deque()
    for task in tasks:
        waiting.append((task, submit(task)))
        while len(waiting) > most:
            yield waiting.popleft()
    yield from waiting
