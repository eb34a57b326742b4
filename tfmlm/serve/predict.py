"""The Predict call: from inputs to outputs, the same for gRPC, REST and warm-up.

Checks and texts follow `tensorflow_serving/servables/tensorflow/predict_util.cc` and
`tensorflow/cc/saved_model/util.cc`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfmlm.serve.batching import BatchScheduler
from tfmlm.serve.manager import ModelManager
from tfmlm.serve.metrics import Metrics
from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError, invalid_argument
from tfmlm.serve.tensors import array_from_proto, numpy_type, type_name

DEFAULT_SIGNATURE = "serving_default"


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
    """

    feeds: dict[str, np.ndarray]
    aliases: list[str]
    fetches: list[str]
    dtypes: list[int]


class Predictor:
    """Finds the servable of a request and runs it, bounded in rows, number and time.

    Args:
        batching: the scheduler, or None to run each request by itself.
        executor: threads for runs without batching.
        max_batch_rows: most rows of one request.
        max_requests: most requests at a time; more are refused as UNAVAILABLE.
        timeout: seconds for one request.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: Metrics,
        executor: Executor,
        batching: BatchScheduler | None = None,
        *,
        max_batch_rows: int = 1024,
        max_requests: int = 256,
        timeout: float = 30.0,
    ) -> None:
        self.manager = manager
        self.metrics = metrics
        self.executor = executor
        self._batching = batching
        self._max_batch_rows = max_batch_rows
        self._max_requests = max_requests
        self.timeout = timeout
        self.active = 0

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request in, and refuses it if there are too many."""
        if self.active >= self._max_requests:
            raise StatusError(
                "UNAVAILABLE", f"{self.active} requests are being served; try again later"
            )
        self.active += 1
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

    async def run(self, servable: Servable, plan: Plan, deadline: float) -> list[np.ndarray]:
        """Runs a plan until `deadline` (`time.monotonic()`) at most.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or what TensorFlow said.
        """
        for array in plan.feeds.values():
            if array.ndim and array.shape[0] > self._max_batch_rows:
                raise invalid_argument(
                    f"Task size {array.shape[0]} is larger than maximum batch size "
                    f"{self._max_batch_rows}"
                )
        started = time.monotonic()
        if self._batching is not None:
            future = self._batching.submit(servable, plan.feeds, plan.fetches, deadline)
        else:
            future = self.executor.submit(self._run_alone, servable, plan, deadline)
        try:
            outputs = await asyncio.wait_for(asyncio.wrap_future(future), deadline - started)
        except TimeoutError:
            raise StatusError("DEADLINE_EXCEEDED", "Timed out waiting for the model") from None
        elapsed = (time.monotonic() - started) * 1e6
        self.metrics.runtime_latency.observe(elapsed, servable.name, "Predict", "TF1")
        return outputs

    def _run_alone(self, servable: Servable, plan: Plan, deadline: float) -> list[np.ndarray]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise StatusError("DEADLINE_EXCEEDED", "Timed out waiting for a thread")
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


def arrays_of_request(signature: Any, inputs: Any) -> dict[str, np.ndarray]:
    """The inputs of a PredictRequest, with the signature's defaults, by alias.

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
            arrays[alias] = array_from_proto(inputs[alias], alias)
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
    )


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
