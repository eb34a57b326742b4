from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serve.fixtures import ONE_MASK, TWO_MASKS, serving
from tests.serve.test_rest import ask
from tfmlm.client import GrpcClient, RestClient
from tfmlm.serve.batching import BatchScheduler, _pad_to_largest
from tfmlm.serve.config_files import BatchingOptions
from tfmlm.serve.metrics import Metrics
from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError

LATER = 60.0


@pytest.fixture(scope="module")
def servable(toy_versions: Path) -> Any:
    loaded = Servable.load("mlm", 1, toy_versions / "1")
    yield loaded
    loaded.close()


class Counting:
    """A servable that notes the feeds of each run, and can be held back."""

    def __init__(self, servable: Servable) -> None:
        self.servable = servable
        self.runs: list[dict[str, np.ndarray]] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, feeds: Any, fetches: Any, timeout_ms: int) -> Any:
        self.gate.wait(10)
        self.runs.append(feeds)
        return self.servable.run(feeds, fetches, timeout_ms)


@pytest.fixture
def counting(servable: Servable) -> Counting:
    return Counting(servable)


def texts(*values: str) -> np.ndarray:
    return np.array([value.encode() for value in values], object)


def signature(
    servable: Servable, name: str = "serving_default"
) -> tuple[dict[str, str], list[str]]:
    found = servable.meta_graph.signature_def[name]
    inputs = {alias: info.name for alias, info in found.inputs.items()}
    return inputs, [found.outputs[a].name for a in ("sequence", "status")]


@pytest.fixture
def scheduler(request: pytest.FixtureRequest) -> Any:
    options = {"num_batch_threads": 1, "max_batch_size": 4, **getattr(request, "param", {})}
    made = BatchScheduler(BatchingOptions(**options), Metrics())
    yield made
    made.stop()


def submit(scheduler: BatchScheduler, counting: Any, *values: str) -> Any:
    inputs, fetches = signature(counting.servable)
    feeds = {inputs["text"]: texts(*values)}
    return scheduler.submit(counting, feeds, fetches, time.monotonic() + LATER)


def blocked(scheduler: BatchScheduler, counting: Counting) -> Any:
    """Keeps the only thread busy with one request until the gate is opened."""
    counting.gate.clear()
    first = submit(scheduler, counting, "first")
    while scheduler._queues:
        time.sleep(0.001)
    return first


def test_waiting_requests_share_a_run_and_get_their_own_rows(
    scheduler: BatchScheduler, counting: Counting
) -> None:
    first = blocked(scheduler, counting)
    futures = [submit(scheduler, counting, *v) for v in (("a [MASK]", TWO_MASKS), ("b [MASK]",))]
    counting.gate.set()
    first.result(10)
    rows = [future.result(10) for future in futures]
    assert [len(next(iter(feeds.values()))) for feeds in counting.runs] == [1, 3]
    assert rows[0][1].tolist() == [b"ok", b"ok"]
    assert rows[1][1].tolist() == [b"ok"]
    assert rows[1][0][0, 0, 0].startswith(b"b ")


def test_full_batches_run_first_in_first_out(scheduler: BatchScheduler, counting: Counting) -> None:
    blocked(scheduler, counting)
    futures = [submit(scheduler, counting, *["x"] * n) for n in (3, 2, 2, 1)]
    counting.gate.set()
    for future in futures:
        future.result(10)
    assert [len(next(iter(feeds.values()))) for feeds in counting.runs] == [1, 3, 4, 1]


def test_the_oldest_batch_of_all_shapes_runs_first(
    scheduler: BatchScheduler, counting: Counting
) -> None:
    """Requests of other outputs never share a batch; each waits in a queue of its own."""
    inputs, fetches = signature(counting.servable)
    blocked(scheduler, counting)
    asked = (fetches, fetches[:1], fetches[1:])
    futures = [
        scheduler.submit(
            counting, {inputs["text"]: texts(f"{n}")}, wanted, time.monotonic() + LATER
        )
        for n, wanted in enumerate(asked)
    ]
    counting.gate.set()
    for future in futures:
        future.result(10)
    runs = [next(iter(feeds.values())).tolist() for feeds in counting.runs]
    assert runs == [[b"first"], [b"0"], [b"1"], [b"2"]]


@pytest.mark.parametrize("scheduler", [{"batch_timeout_micros": 200_000}], indirect=True)
def test_a_batch_waits_for_its_timeout_or_until_it_is_full(
    scheduler: BatchScheduler, counting: Counting
) -> None:
    futures = [submit(scheduler, counting, "x") for _ in range(3)]
    assert not any(future.done() for future in futures)
    futures.append(submit(scheduler, counting, "x"))  # the fourth fills it
    for future in futures:
        future.result(10)
    submit(scheduler, counting, "alone").result(10)
    assert [len(next(iter(feeds.values()))) for feeds in counting.runs] == [4, 1]


@pytest.mark.parametrize(
    "scheduler", [{"allowed_batch_sizes": (2, 4), "max_batch_size": 4}], indirect=True
)
def test_batches_are_padded_to_allowed_sizes(scheduler: BatchScheduler, counting: Counting) -> None:
    result = submit(scheduler, counting, "a [MASK]", "b", "c [MASK]").result(10)
    assert len(next(iter(counting.runs[0].values()))) == 4
    assert result[1].tolist() == [b"ok", b"no_mask", b"ok"]


@pytest.mark.parametrize("scheduler", [{"max_enqueued_batches": 2}], indirect=True)
def test_a_full_queue_refuses(scheduler: BatchScheduler, counting: Counting) -> None:
    blocked(scheduler, counting)
    futures = [submit(scheduler, counting, *["x"] * 4) for _ in range(2)]
    with pytest.raises(StatusError, match="queue to which this task was submitted is full") as info:
        submit(scheduler, counting, "x")
    assert info.value.code == "UNAVAILABLE"
    counting.gate.set()
    assert all(len(future.result(10)[1]) == 4 for future in futures)


def test_too_large_a_request_is_refused(scheduler: BatchScheduler, counting: Counting) -> None:
    with pytest.raises(StatusError, match="Task size 5 is larger than maximum input batch size 4"):
        submit(scheduler, counting, *["x"] * 5)


@pytest.mark.parametrize(
    "scheduler",
    [{"max_batch_size": 100, "max_execution_batch_size": 4, "max_enqueued_batches": 2}],
    indirect=True,
)
def test_a_large_request_that_does_not_fit_the_queue_leaves_nothing_behind(
    scheduler: BatchScheduler, counting: Counting
) -> None:
    first = blocked(scheduler, counting)
    with pytest.raises(StatusError, match="queue to which this task was submitted is full"):
        submit(scheduler, counting, *["x"] * 50)
    counting.gate.set()
    first.result(10)
    assert len(submit(scheduler, counting, "a", "b").result(10)[1]) == 2
    assert sum(len(next(iter(feeds.values()))) for feeds in counting.runs) == 3


@pytest.mark.parametrize(
    "scheduler", [{"max_batch_size": 10, "max_execution_batch_size": 4}], indirect=True
)
def test_a_large_request_is_split(scheduler: BatchScheduler, counting: Counting) -> None:
    result = submit(scheduler, counting, *[f"{i} [MASK]" for i in range(10)]).result(10)
    assert [len(next(iter(feeds.values()))) for feeds in counting.runs] == [4, 4, 2]
    assert [row[0, 0].split()[0] for row in result[0]] == [str(i).encode() for i in range(10)]


def targets(scheduler: BatchScheduler, counting: Any, *words: str) -> Any:
    inputs, fetches = signature(counting.servable, "fill_mask_targets")
    feeds = {inputs["text"]: texts(ONE_MASK), inputs["targets"]: texts(*words)[None]}
    return scheduler.submit(counting, feeds, fetches, time.monotonic() + LATER)


def test_requests_of_other_shapes_do_not_meet(
    scheduler: BatchScheduler, counting: Counting
) -> None:
    blocked(scheduler, counting)
    futures = [targets(scheduler, counting, *w) for w in (("city",), ("city", "soul"), ("soul",))]
    counting.gate.set()
    widths = [future.result(10)[0].shape[2] for future in futures]
    assert widths == [1, 2, 1]
    assert len(counting.runs) == 3  # the first, and one for each width


@pytest.mark.parametrize("scheduler", [{"pad_variable_length_inputs": True}], indirect=True)
def test_padding_lets_other_shapes_meet(scheduler: BatchScheduler, counting: Counting) -> None:
    blocked(scheduler, counting)
    futures = [targets(scheduler, counting, *w) for w in (("city",), ("city", "soul"))]
    counting.gate.set()
    for future in futures:
        future.result(10)
    assert len(counting.runs) == 2


def test_padding_repeats_the_first_element_as_tensorflow_serving_does() -> None:
    arrays = [np.array([[1, 2], [3, 4]]), np.array([[5, 6, 7]])]
    assert [a.tolist() for a in _pad_to_largest(arrays)] == [[[1, 2, 1], [3, 4, 1]], [[5, 6, 7]]]
    with pytest.raises(StatusError, match="Got empty tensor in batch of non-empty tensors"):
        _pad_to_largest([np.zeros([1, 0]), np.zeros([1, 2])])


def test_inputs_must_agree_in_rows(scheduler: BatchScheduler, counting: Counting) -> None:
    inputs, fetches = signature(counting.servable, "fill_mask_top_k")
    feeds = {inputs["text"]: texts("a", "b"), inputs["top_k"]: np.array([1], np.int32)}
    with pytest.raises(StatusError, match="must have equal 0th-dimension size"):
        scheduler.submit(counting, feeds, fetches, time.monotonic() + LATER)
    feeds[inputs["top_k"]] = np.array(1, np.int32)
    with pytest.raises(StatusError, match="at least one dimension"):
        scheduler.submit(counting, feeds, fetches, time.monotonic() + LATER)


def test_an_error_reaches_everybody_in_the_batch(
    scheduler: BatchScheduler, counting: Counting
) -> None:
    _, fetches = signature(counting.servable)
    blocked(scheduler, counting)
    futures = [
        scheduler.submit(counting, {"nothing:0": texts("a")}, fetches, time.monotonic() + LATER)
        for _ in range(2)
    ]
    good = submit(scheduler, counting, "a [MASK]")
    counting.gate.set()
    for future in futures:
        with pytest.raises(StatusError):
            future.result(10)
    assert good.result(10)[1].tolist() == [b"ok"]


def test_cancelled_requests_are_left_out(scheduler: BatchScheduler, counting: Counting) -> None:
    blocked(scheduler, counting)
    gone, kept = (submit(scheduler, counting, v) for v in ("gone", "kept"))
    assert gone.cancel()
    counting.gate.set()
    kept.result(10)
    assert [next(iter(feeds.values())).tolist() for feeds in counting.runs] == [
        [b"first"],
        [b"kept"],
    ]


def test_answers_are_the_same_with_and_without_batching(toy_versions: Path, tmp_path: Path) -> None:
    config = tmp_path / "batching.config"
    config.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 2000 } "
        "num_batch_threads { value: 2 } max_enqueued_batches { value: 100 }"
    )
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/metrics" }')
    many = [f"the {'very ' * (i % 7)}number {i} [MASK] {'[MASK]' * (i % 3)}" for i in range(60)]
    options: dict[str, Any] = {
        "enable_batching": True,
        "batching_parameters_file": str(config),
        "monitoring_config_file": str(monitoring),
    }
    with (
        serving(model_base_path=str(toy_versions)) as single,
        serving(model_base_path=str(toy_versions), **options) as batched,
        RestClient(single.model()) as reference,
        RestClient(batched.model()) as rest,
        GrpcClient(batched.grpc, "mlm") as grpc,
        ThreadPoolExecutor(16) as pool,
    ):
        expected = [reference.fill(text) for text in many]
        assert list(pool.map(rest.fill, many)) == expected
        tokens = [str([m.token for m in answer.masks[0]]) for answer in grpc.answers(many)]
        one_by_one = list(pool.map(lambda text: grpc.answers(text)[0], many))
        assert [str([m.token for m in answer.masks[0]]) for answer in one_by_one] == tokens
        _, _, page = ask(batched, "GET", "/metrics")
        runs = float(
            page.split(":tensorflow:serving:batching_session:wrapped_run_count{} ")[1].split("\n")[
                0
            ]
        )
        # 60 + 60 single requests, and 8 batches of answers(many) in eights
        assert runs < 100
