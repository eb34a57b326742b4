"""Counters and histograms with TensorFlow Serving's names, in Prometheus' text format.

The names, labels, buckets and the missing HELP lines are those of
`tensorflow_serving/util/prometheus_exporter.cc`, so that dashboards made for one server work for
the other. (prometheus_client cannot write them: it appends `_total` to a counter's name.)
"""

from __future__ import annotations

import bisect
import functools
import threading
from collections.abc import Sequence


class _Metric:
    def __init__(self, path: str, labels: Sequence[str]) -> None:
        self.name = path.replace("/", ":")
        self.labels = tuple(labels)
        self._lock = threading.Lock()

    def _label_text(self, values: Sequence[str]) -> str:
        pairs = zip(self.labels, values, strict=True)
        return ",".join(f'{name}="{_escape(value)}"' for name, value in pairs)


class Counter(_Metric):
    """A number that only grows, for each combination of label values."""

    def __init__(self, path: str, *labels: str) -> None:
        super().__init__(path, labels)
        self._values: dict[tuple[str, ...], int] = {}

    def increment(self, *values: str, by: int = 1) -> None:
        with self._lock:
            self._values[values] = self._values.get(values, 0) + by

    def value(self, *values: str) -> int:
        """The number for these label values."""
        return self._values.get(values, 0)

    def lines(self) -> list[str]:
        with self._lock:
            values = sorted(self._values.items())
        return [f"# TYPE {self.name} counter"] + [
            f"{self.name}{{{self._label_text(key)}}} {value}" for key, value in values
        ]


class Histogram(_Metric):
    """A distribution over buckets whose limits are `scale * growth ** i`.

    Source of the limits: `monitoring::Buckets::Exponential(scale, growth, buckets)`.
    """

    def __init__(self, path: str, *labels: str, scale: float, growth: float, buckets: int) -> None:
        super().__init__(path, labels)
        self._limits = [scale * growth**i for i in range(buckets)]
        self._cells: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def observe(self, value: float, *values: str) -> None:
        with self._lock:
            if values not in self._cells:
                self._cells[values] = ([0] * (len(self._limits) + 1), [0.0])
            counts, total = self._cells[values]
            counts[bisect.bisect_right(self._limits, value)] += 1
            total[0] += value

    def count(self, *values: str) -> int:
        """Number of observations for these label values."""
        cell = self._cells.get(values)
        return sum(cell[0]) if cell else 0

    def lines(self) -> list[str]:
        with self._lock:
            cells = sorted((k, (list(c), t[0])) for k, (c, t) in self._cells.items())
        lines = [f"# TYPE {self.name} histogram"]
        for key, (counts, total) in cells:
            labels = self._label_text(key)
            before = f"{labels}," if labels else ""
            reached = 0
            for limit, count in zip([*self._limits, None], counts, strict=True):
                reached += count
                edge = "+Inf" if limit is None else f"{limit:g}"
                lines.append(f'{self.name}_bucket{{{before}le="{edge}"}} {reached}')
            lines.append(f"{self.name}_sum{{{labels}}} {total:g}")
            lines.append(f"{self.name}_count{{{labels}}} {reached}")
        return lines


class Metrics:
    """All metrics of one server; times are in microseconds."""

    def __init__(self) -> None:
        root, session = "/tensorflow/serving", "/tensorflow/serving/batching_session"
        latency = functools.partial(Histogram, scale=10, growth=1.8, buckets=33)
        sizes = functools.partial(Histogram, scale=1, growth=2, buckets=14)
        self.request_count = Counter(f"{root}/request_count", "model_name", "status")
        self.request_latency = latency(f"{root}/request_latency", "model_name", "API", "entrypoint")
        self.runtime_latency = latency(f"{root}/runtime_latency", "model_name", "API", "runtime")
        self.queuing_latency = Histogram(
            f"{session}/queuing_latency", "thread_pool_name", scale=100, growth=1.2, buckets=52
        )
        self.wrapped_run_count = Counter(f"{session}/wrapped_run_count")
        self.input_batch_size = sizes(f"{session}/input_batch_size")
        self.processed_batch_size = sizes(f"{session}/processed_batch_size")
        self.padding_size = sizes(f"{session}/padding_size", "execution_batch_size")

    def page(self) -> str:
        """The text that Prometheus reads."""
        metrics = [m for m in vars(self).values() if isinstance(m, Counter | Histogram)]
        lines = [
            line for metric in sorted(metrics, key=lambda m: m.name) for line in metric.lines()
        ]
        return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
