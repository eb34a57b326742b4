"""Server-side batching: requests for the same tensors share one run of the session.

As `BatchingSession` does: inputs are concatenated on dimension 0, outputs are split on it; a batch
runs when it is full, or when its oldest request has waited `batch_timeout_micros` and a thread is
free. Unlike it, requests whose other dimensions differ are put into different batches instead of
failing together (unless `pad_variable_length_inputs` makes them fit).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmlm.serve.config_files import BatchingOptions
from tfmlm.serve.metrics import Metrics
from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError, deadline_exceeded, invalid_argument


@dataclass
class _Task:
    feeds: dict[str, np.ndarray]
    rows: int
    deadline: float
    enqueued: float
    future: Future[list[np.ndarray]] = field(default_factory=Future)


@dataclass
class _Batch:
    servable: Servable
    fetches: list[str]
    opened: float
    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0
    full: bool = False


class BatchScheduler:
    """Forms batches and runs them in `num_batch_threads` threads."""

    def __init__(self, options: BatchingOptions, metrics: Metrics) -> None:
        self.options = options
        self._metrics = metrics
        self._limit = options.max_execution_batch_size or options.max_batch_size
        self._timeout = options.batch_timeout_micros / 1e6
        self._queues: dict[Hashable, deque[_Batch]] = {}
        self._ready = threading.Condition()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"tfmlm-batch-{i}", daemon=True)
            for i in range(options.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, servable: Servable, feeds: dict[str, np.ndarray], fetches: list[str], deadline: float
    ) -> Future[list[np.ndarray]]:
        """Queues a request. `servable` must be kept open by the caller until the future is done.

        Args:
            feeds: inputs by tensor name, [rows, ...] each.
            deadline: `time.monotonic()` after which nobody waits for the answer.

        Raises:
            StatusError: inputs do not fit together, too many rows, or the queue is full.
        """
        rows = _rows(feeds)
        options = self.options
        for _ in feeds:
            self._metrics.input_batch_size.observe(rows)
        if rows > options.max_batch_size:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size {options.max_batch_size}"
            )
        if rows > self._limit:
            return self._split(servable, feeds, fetches, deadline, rows)
        task = _Task(feeds, rows, deadline, time.monotonic())
        key = self._key(servable, feeds, fetches)
        with self._ready:
            if self._stopped:
                raise StatusError("UNAVAILABLE", "the server is shutting down")
            queue = self._queues.setdefault(key, deque())
            if not queue or queue[-1].full or queue[-1].rows + rows > self._limit:
                if len(queue) >= options.max_enqueued_batches:
                    raise StatusError(
                        "UNAVAILABLE",
                        "The batch scheduling queue to which this task was submitted is full; "
                        f"currently {len(queue)} batches enqueued and max_enqueued_batches is "
                        f"{options.max_enqueued_batches}",
                    )
                if queue:
                    queue[-1].full = True
                queue.append(_Batch(servable, fetches, task.enqueued))
            batch = queue[-1]
            batch.tasks.append(task)
            batch.rows += rows
            batch.full = batch.rows >= self._limit
            self._ready.notify()
        return task.future

    def stop(self, patience: float = 30.0) -> None:
        """Runs what is queued, then ends the threads; waits for them `patience` seconds at most."""
        end = time.monotonic() + patience
        with self._ready:
            self._stopped = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(timeout=max(end - time.monotonic(), 0.0))

    def _key(
        self, servable: Servable, feeds: dict[str, np.ndarray], fetches: list[str]
    ) -> Hashable:
        tails: tuple[Any, ...]
        if self.options.pad_variable_length_inputs:
            tails = tuple((name, feeds[name].ndim) for name in sorted(feeds))
        else:
            tails = tuple((name, feeds[name].shape[1:]) for name in sorted(feeds))
        return id(servable), tuple(fetches), tails

    def _split(
        self,
        servable: Servable,
        feeds: dict[str, np.ndarray],
        fetches: list[str],
        deadline: float,
        rows: int,
    ) -> Future[list[np.ndarray]]:
        """Runs a large request in parts (`enable_large_batch_splitting`)."""
        parts: list[Future[list[np.ndarray]]] = []
        try:
            for at in range(0, rows, self._limit):
                part = {name: array[at : at + self._limit] for name, array in feeds.items()}
                parts.append(self.submit(servable, part, fetches, deadline))
        except StatusError:
            for waiting_part in parts:
                waiting_part.cancel()
            raise
        whole: Future[list[np.ndarray]] = Future()
        waiting = len(parts)
        lock = threading.Lock()

        def finish(_: Future[list[np.ndarray]]) -> None:
            nonlocal waiting
            with lock:
                waiting -= 1
                if waiting:
                    return
            if not whole.set_running_or_notify_cancel():
                return
            try:
                results = [part.result() for part in parts]
                whole.set_result([_join(list(arrays)) for arrays in zip(*results, strict=True)])
            except BaseException as error:
                whole.set_exception(error)

        for one in parts:
            one.add_done_callback(finish)
        return whole

    def _work(self) -> None:
        while True:
            with self._ready:
                batch = self._next()
                while batch is None:
                    if self._stopped and not self._queues:
                        return
                    self._ready.wait(self._patience())
                    batch = self._next()
            self._run(batch)

    def _next(self) -> _Batch | None:
        """Takes the oldest batch that may run, and forgets queues that are empty."""
        now = time.monotonic()
        best: tuple[float, Hashable] | None = None
        for key, queue in self._queues.items():
            head = queue[0]
            if head.full or self._stopped or now - head.opened >= self._timeout:
                best = min(best or (head.opened, key), (head.opened, key), key=lambda x: x[0])
        if best is None:
            return None
        queue = self._queues[best[1]]
        batch = queue.popleft()
        batch.full = True
        if not queue:
            del self._queues[best[1]]
        return batch

    def _patience(self) -> float | None:
        if not self._queues:
            return None
        first = min(queue[0].opened for queue in self._queues.values())
        return max(first + self._timeout - time.monotonic(), 0.0)

    def _run(self, batch: _Batch) -> None:
        now = time.monotonic()
        tasks = [t for t in batch.tasks if t.future.set_running_or_notify_cancel()]
        for late in [task for task in tasks if task.deadline <= now]:
            late.future.set_exception(deadline_exceeded("waiting for a thread"))
            tasks.remove(late)
        if not tasks:
            return
        metrics, name = self._metrics, self.options.thread_pool_name
        for task in tasks:
            metrics.queuing_latency.observe((now - task.enqueued) * 1e6, name)
        try:
            rows = sum(task.rows for task in tasks)
            size = next((s for s in self.options.allowed_batch_sizes if s >= rows), rows)
            metrics.processed_batch_size.observe(size)
            metrics.padding_size.observe(size - rows, str(size))
            feeds = self._merge(tasks, size - rows)
            timeout = max(task.deadline for task in tasks) - now
            metrics.wrapped_run_count.increment()
            outputs = batch.servable.run(feeds, batch.fetches, int(timeout * 1000))
            for output in outputs:
                if not output.ndim:
                    raise StatusError(
                        "FAILED_PRECONDITION", "Batched output tensor has 0 dimensions"
                    )
                if output.shape[0] != size:
                    raise StatusError(
                        "FAILED_PRECONDITION",
                        "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                        "dimension sizes of the input tensors",
                    )
        except BaseException as error:
            for task in tasks:
                task.future.set_exception(error)
            return
        at = 0
        for task in tasks:
            task.future.set_result([output[at : at + task.rows] for output in outputs])
            at += task.rows

    def _merge(self, tasks: list[_Task], padding: int) -> dict[str, np.ndarray]:
        merged = {}
        for name in tasks[0].feeds:
            arrays = [task.feeds[name] for task in tasks]
            if self.options.pad_variable_length_inputs:
                arrays = _pad_to_largest(arrays)
            if padding:
                arrays.append(np.repeat(arrays[-1][:1], padding, axis=0))
            merged[name] = _join(arrays)
        return merged


def _rows(feeds: dict[str, np.ndarray]) -> int:
    sizes = set()
    for array in feeds.values():
        if not array.ndim:
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        sizes.add(array.shape[0])
    if len(sizes) != 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _pad_to_largest(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Pads dimensions after the first at their end, each array with its own first element, as
    `tensorflow_serving/batching/batching_util.cc` does."""
    largest = np.max([array.shape[1:] for array in arrays], axis=0).astype(int)
    padded = []
    for array in arrays:
        if array.shape[1:] == tuple(largest):
            padded.append(array)
            continue
        if not array.size:
            raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
        whole = np.empty((array.shape[0], *largest), array.dtype)
        whole[...] = array.flat[0]
        whole[tuple(slice(0, size) for size in array.shape)] = array
        padded.append(whole)
    return padded
