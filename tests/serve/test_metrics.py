"""Counters and histograms: what is observed is counted in the right bucket of the page."""

from __future__ import annotations

import re

import numpy as np

from tfmlm.serve.metrics import Counter, Histogram, Metrics


def samples(lines: list[str]) -> dict[str, float]:
    """The values of lines in Prometheus' text format."""
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_buckets_hold_what_is_below_their_limit() -> None:
    histogram = Histogram("/a/b", "model", scale=10, growth=1.8, buckets=6)
    values = np.random.default_rng(0).exponential(60, 500).round(3)
    values[:3] = 0, 10, 18  # limits belong to the bucket above
    for value in values:
        histogram.observe(float(value), "m")
    assert histogram.count("m") == 500
    assert histogram.count("other") == 0
    found = samples(histogram.lines())
    limits = 10 * 1.8 ** np.arange(6)
    counts = [found[f':a:b_bucket{{model="m",le="{limit:g}"}}'] for limit in limits]
    assert counts == [(values < limit).sum() for limit in limits]
    assert found[':a:b_bucket{model="m",le="+Inf"}'] == found[':a:b_count{model="m"}'] == 500
    assert found[':a:b_sum{model="m"}'] == float(f"{values.sum():g}")
    assert len(found) == 9


def test_counters_are_apart_by_their_labels() -> None:
    counter = Counter("/a", "model", "status")
    counter.increment("m", "OK")
    counter.increment("m", "OK", by=4)
    counter.increment('a "b"\\\n', "OK")
    assert (counter.value("m", "OK"), counter.value("m", "NO")) == (5, 0)
    assert counter.lines() == [
        "# TYPE :a counter",
        r':a{model="a \"b\"\\\n",status="OK"} 1',
        ':a{model="m",status="OK"} 5',
    ]


def test_the_page_has_every_metric_once_in_order() -> None:
    metrics = Metrics()
    metrics.wrapped_run_count.increment()
    metrics.padding_size.observe(3, "8")
    page = metrics.page()
    names = re.findall(r"^# TYPE (\S+) (?:counter|histogram)$", page, re.MULTILINE)
    assert names == sorted(set(names)) and len(names) == len(vars(metrics))
    found = samples(page.splitlines())
    assert found[":tensorflow:serving:batching_session:wrapped_run_count{}"] == 1
    padding = ":tensorflow:serving:batching_session:padding_size_bucket"
    assert found[padding + '{execution_batch_size="8",le="2"}'] == 0
    assert found[padding + '{execution_batch_size="8",le="4"}'] == 1
