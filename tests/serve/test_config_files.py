from __future__ import annotations

from pathlib import Path

import pytest

from tfmlm.errors import UserError
from tfmlm.serve.config_files import (
    BatchingOptions,
    SSLConfig,
    read_batching_options,
    read_prometheus_path,
    read_text_proto,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "some.config"
    path.write_text(text)
    return path


def test_batching(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        # a comment
        max_batch_size { value: 32 }
        batch_timeout_micros { value: 500 }
        max_enqueued_batches { value: 64 }
        num_batch_threads { value: 3 }
        thread_pool_name { value: "mine" }
        allowed_batch_sizes: 8
        allowed_batch_sizes: 32
        pad_variable_length_inputs: true
        """,
    )
    assert read_batching_options(path) == BatchingOptions(
        max_batch_size=32,
        batch_timeout_micros=500,
        max_enqueued_batches=64,
        num_batch_threads=3,
        thread_pool_name="mine",
        allowed_batch_sizes=(8, 32),
        pad_variable_length_inputs=True,
    )
    assert read_batching_options(write(tmp_path, "")) == BatchingOptions()
    split = "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 100 }"
    assert read_batching_options(write(tmp_path, split)).max_execution_batch_size == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 3", "is not a BatchingParameters: "),
        ("max_batch { value: 3 }", 'no field named "max_batch"'),
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1. Received: 0"),
        ("batch_timeout_micros { value: -1 }", "must be positive or 0"),
        ("allowed_batch_sizes: 3", "Last entry in allowed_batch_sizes must match max_batch_size"),
        ("allowed_batch_sizes: 4 allowed_batch_sizes: 3", "must be monotonically increasing"),
        (
            "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 2000 }",
            "max_execution_batch_size is over max_batch_size",
        ),
    ],
)
def test_wrong_batching(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_batching_options(write(tmp_path, text))


def test_monitoring(tmp_path: Path) -> None:
    def read(text: str) -> str | None:
        return read_prometheus_path(write(tmp_path, text))

    assert read("prometheus_config { enable: true }") == "/monitoring/prometheus/metrics"
    assert read('prometheus_config { enable: true path: "/m" }') == "/m"
    assert read('prometheus_config { enable: false path: "/m" }') is None
    with pytest.raises(UserError, match="must begin with a slash"):
        read('prometheus_config { enable: true path: "m" }')


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read .*none.config: No such file"):
        read_text_proto(tmp_path / "none.config", SSLConfig())
    (tmp_path / "bad").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        read_text_proto(tmp_path / "bad", SSLConfig())
