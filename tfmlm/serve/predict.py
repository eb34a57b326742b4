"""The Predict call: from inputs to outputs, the same for gRPC, REST and warm-up.

Checks and texts follow `tensorflow_serving/servables/tensorflow/predict_util.cc` and
`tensorflow/cc/saved_model/util.cc`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from tfmlm.serve.answer_size import (
    bytes_of,
    expected_bytes,
    expected_token_bytes,
    require_answer_fits,
)
from tfmlm.serve.batching import BatchScheduler
from tfmlm.serve.manager import ModelManager
from tfmlm.serve.metrics import Metrics
from tfmlm.serve.servable import Servable
from tfmlm.serve.status import (
    StatusError,
    deadline_exceeded,
    invalid_argument,
    too_many_rows,
)
from tfmlm.serve.tensors import array_from_proto, numpy_type, type_name

DEFAULT_SIGNATURE = "serving_default"
#: Requests and answers up to this size are read and written in the event loop, larger ones apart.
INLINE_BYTES = 64 * 1024
#: Requests of more input than this are run by few threads, so that others find one that is free
#: and that few need memory at a time.
LARGE_BYTES = 8 * 1024
_CODEC_THREADS = 2

T = TypeVar("T")


@dataclass(frozen=True)
class ModelSpec:
    """Which model, version and signature a request is for."""

    name: str
    version: int | None = None
    label: str | None = None
    signature: str = ""


@dataclass(frozen=True)
class Plan:
    """What one request runs.

    Attributes:
        feeds: inputs by tensor name.
        aliases, fetches: outputs by name in the signature, and their tensor names.
        dtypes: DataType numbers of the outputs.
        size: bytes of the inputs.
    """

    feeds: dict[str, np.ndarray]
    aliases: list[str]
    fetches: list[str]
    dtypes: list[int]
    size: int = 0


class Predictor:
    """Finds the servable of a request and runs it, bounded in rows, number, time and size.

    Args:
        batching: the scheduler, or None to run each request by itself.
        num_threads: runs at a time without batching.
        max_batch_rows: most rows of one request.
        max_requests: most requests at a time; more are refused as UNAVAILABLE.
        timeout: seconds for one request.
        max_answer_bytes: larger answers are refused, before the model runs where that is known.

    Attributes:
        active: requests that are being answered.
        served: requests since the start.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: Metrics,
        batching: BatchScheduler | None = None,
        *,
        num_threads: int = 8,
        max_batch_rows: int = 1024,
        max_requests: int = 256,
        timeout: float = 30.0,
        max_answer_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self.manager = manager
        self.metrics = metrics
        self._small = ThreadPoolExecutor(num_threads, "tfmlm-run")
        self._large = ThreadPoolExecutor(max(num_threads // 4, 1), "tfmlm-run-large")
        self._codec = ThreadPoolExecutor(_CODEC_THREADS, "tfmlm-codec")
        self._batching = batching
        self.max_batch_rows = max_batch_rows
        self._max_requests = max_requests
        self.timeout = timeout
        self.max_answer_bytes = max_answer_bytes
        self.active = 0
        self.served = 0

    def close(self) -> None:
        """Lets go of the threads; what runs in them is not waited for."""
        for executor in (self._small, self._large, self._codec):
            executor.shutdown(wait=False, cancel_futures=True)

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request in, and refuses it if there are too many."""
        if self.active >= self._max_requests:
            raise StatusError(
                "UNAVAILABLE", f"{self.active} requests are being served; try again later"
            )
        self.active += 1
        self.served += 1
        try:
            yield
        finally:
            self.active -= 1

    @contextlib.contextmanager
    def servable(self, spec: ModelSpec) -> Iterator[Servable]:
        """The servable of a request, kept open meanwhile."""
        while True:
            with self.manager.find(spec.name, spec.version, spec.label).use() as servable:
                if servable is not None:
                    yield servable
                    return

    async def apart(self, size: int, deadline: float, function: Callable[..., T], *args: Any) -> T:
        """Calls a function, in a thread if there is much for it to do: nobody else waits for it.

        Args:
            size: bytes that it reads or writes.
            deadline: `time.monotonic()` after which nobody waits for it.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or what the function raises.
        """
        if size <= INLINE_BYTES:
            return function(*args)
        future = asyncio.get_running_loop().run_in_executor(self._codec, function, *args)
        try:
            return await asyncio.wait_for(future, deadline - time.monotonic())
        except (TimeoutError, asyncio.TimeoutError):
            raise deadline_exceeded("reading the request or writing the answer") from None

    def plan(
        self,
        servable: Servable,
        signature: Any,
        arrays: dict[str, np.ndarray],
        output_filter: Sequence[str] = (),
    ) -> Plan:
        """What to run for these inputs.

        Raises:
            StatusError: as `make_plan`; there are too many rows, or the answer would be too large.
        """
        for array in arrays.values():
            if array.ndim and array.shape[0] > self.max_batch_rows:
                raise too_many_rows(array.shape[0], self.max_batch_rows)
        plan = make_plan(signature, arrays, output_filter)
        if servable.facts is not None:
            size = 0
            if "sequence" in plan.aliases:
                size = expected_bytes(servable.facts, arrays)
            elif "input_ids" in plan.aliases:
                size = expected_token_bytes(arrays)
            require_answer_fits(size, self.max_answer_bytes)
        return plan

    async def run(self, servable: Servable, plan: Plan, deadline: float) -> list[np.ndarray]:
        """Runs a plan until `deadline` (`time.monotonic()`) at most.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or what TensorFlow said.
        """
        started = time.monotonic()
        if self._batching is not None:
            future = self._batching.submit(servable, plan.feeds, plan.fetches, deadline)
        else:
            executor = self._large if plan.size > LARGE_BYTES else self._small
            future = executor.submit(self._run_alone, servable, plan, deadline)
        try:
            outputs = await asyncio.wait_for(asyncio.wrap_future(future), deadline - started)
        except (TimeoutError, asyncio.TimeoutError):
            raise deadline_exceeded("waiting for the model") from None
        elapsed = (time.monotonic() - started) * 1e6
        self.metrics.runtime_latency.observe(elapsed, servable.name, "Predict", "TF1")
        return outputs

    async def encode(
        self,
        outputs: list[np.ndarray],
        size: int,
        deadline: float,
        write: Callable[[Callable[[], None]], bytes],
    ) -> bytes:
        """The bytes of an answer.

        Args:
            size: bytes of the request's inputs, which may be in its outputs.
            write: makes them; it is given a function to call again and again, which raises when
                nobody waits any more.

        Raises:
            StatusError: the answer is too large, or the time is over.
        """

        def check() -> None:
            if time.monotonic() > deadline:
                raise deadline_exceeded("writing the answer")

        def measured() -> bytes:
            require_answer_fits(bytes_of(outputs, self.max_answer_bytes), self.max_answer_bytes)
            return write(check)

        return await self.apart(size + sum(a.size for a in outputs) * 16, deadline, measured)

    def _run_alone(self, servable: Servable, plan: Plan, deadline: float) -> list[np.ndarray]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise deadline_exceeded("waiting for a thread")
        return servable.run(plan.feeds, plan.fetches, int(left * 1000))


def find_signature(servable: Servable, name: str) -> tuple[str, Any]:
    """Name and SignatureDef that a request means.

    Raises:
        StatusError: FAILED_PRECONDITION.
    """
    name = name or DEFAULT_SIGNATURE
    signatures = servable.meta_graph.signature_def
    if name not in signatures:
        raise StatusError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
    return name, signatures[name]


def arrays_of_request(
    signature: Any, inputs: Any, max_rows: int | None = None
) -> dict[str, np.ndarray]:
    """The inputs of a PredictRequest, with the signature's defaults, by alias.

    Args:
        max_rows: more rows than these are refused before arrays are made of them.

    Raises:
        StatusError: a name is missing or unknown, or a tensor cannot be read.
    """
    sent, wanted = set(inputs), set(signature.inputs)
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({{{_join(sent)}}}) != len({{{_join(wanted)}}}). "
            f"Sent extra: {{{_join(sent - wanted)}}}. "
            f"Missing but required: {{{_join(wanted - sent)}}}."
        )
    arrays = {}
    for alias in sorted(wanted):
        if alias in inputs:
            arrays[alias] = array_from_proto(inputs[alias], alias, max_rows)
        elif alias in signature.defaults:
            arrays[alias] = array_from_proto(signature.defaults[alias], alias)
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not "
                "found in request and no default value provided. Inputs expected to be in the "
                f"request {{{_join(sent)}}}, or default input alias set: "
                f"{_join(signature.defaults)}"
            )
    if not sent <= wanted:
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_join(sent & wanted)}, "
            f"request input: {_join(sent)}"
        )
    return arrays


def make_plan(
    signature: Any, arrays: dict[str, np.ndarray], output_filter: Sequence[str] = ()
) -> Plan:
    """What to feed and fetch.

    Raises:
        StatusError: an output is unknown or asked for twice; an input has another type or shape.
    """
    outputs = signature.outputs
    aliases = list(output_filter)
    for alias in aliases:
        if alias not in outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_join(outputs)}}}."
            )
    if len(set(aliases)) != len(aliases):
        twice = next(alias for alias in aliases if aliases.count(alias) > 1)
        raise invalid_argument(f"duplicate output tensor alias: {twice}")
    # sorted: requests that name the same outputs in another order share batches
    aliases = sorted(aliases or outputs)
    feeds = {}
    for number, (alias, array) in enumerate(sorted(arrays.items())):
        info = signature.inputs[alias]
        if array.dtype != numpy_type(info.dtype):
            raise invalid_argument(
                f"Expects arg[{number}] to be {type_name(info.dtype)} but "
                f"{_numpy_name(array)} is provided"
            )
        if not _fits(info.tensor_shape, array.shape):
            raise invalid_argument(
                f"Cannot feed input {alias} of shape {list(array.shape)}: the signature's is "
                f"{[dim.size for dim in info.tensor_shape.dim]}"
            )
        feeds[info.name] = array
    return Plan(
        feeds,
        aliases,
        [outputs[alias].name for alias in aliases],
        [outputs[alias].dtype for alias in aliases],
        sum(map(_input_bytes, feeds.values())),
    )


def _input_bytes(array: np.ndarray) -> int:
    if array.dtype.kind == "O":
        return sum(map(len, array.ravel().tolist())) + 8 * array.size
    return array.nbytes


def _fits(declared: Any, shape: tuple[int, ...]) -> bool:
    if declared.unknown_rank:
        return True
    sizes = [dim.size for dim in declared.dim]
    return len(sizes) == len(shape) and all(
        want in (-1, have) for want, have in zip(sizes, shape, strict=True)
    )


def _numpy_name(array: np.ndarray) -> str:
    names = {"object": "string", "float32": "float", "float64": "double"}
    return names.get(str(array.dtype), str(array.dtype))


def _join(names: Any) -> str:
    return ",".join(sorted(names))
