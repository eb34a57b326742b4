"""Recorded requests are read as they were written; what is no such file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.serve.toy_model import write_warmup
from tfmlm.serve.status import StatusError
from tfmlm.serve.warmup import MAX_RECORDS, WARMUP_FILE, warmup_requests


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the requests of the version folder `tmp_path` are."""
    (tmp_path / WARMUP_FILE).parent.mkdir()
    return tmp_path / WARMUP_FILE


def test_requests_come_back_in_order(tmp_path: Path, file: Path) -> None:
    assert list(warmup_requests(tmp_path)) == []
    write_warmup(file, ("a [MASK]", "ü", ""))
    found = [tf.make_ndarray(r.inputs["text"]).tolist() for r in warmup_requests(tmp_path)]
    assert found == [[b"a [MASK]"], ["ü".encode()], [b""]]


def test_a_damaged_file_is_refused(tmp_path: Path, file: Path) -> None:
    write_warmup(file, ("a", "b"))
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(StatusError, match="Failed to parse warmup record") as error:
        list(warmup_requests(tmp_path))
    assert error.value.code == "DATA_LOSS"
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(b"\xff no message")
    with pytest.raises(StatusError, match="Failed to parse warmup record"):
        list(warmup_requests(tmp_path))


def test_other_calls_and_too_many_are_refused(tmp_path: Path, file: Path) -> None:
    log = prediction_log_pb2.PredictionLog()
    log.classify_log.SetInParent()
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(log.SerializeToString())
    with pytest.raises(StatusError, match="Unsupported log_type for warmup: classify_log"):
        list(warmup_requests(tmp_path))
    log.predict_log.SetInParent()
    for count in (MAX_RECORDS, MAX_RECORDS + 1):
        with tf.io.TFRecordWriter(str(file)) as writer:
            for _ in range(count):
                writer.write(log.SerializeToString())
        requests = warmup_requests(tmp_path)
        assert sum(1 for _, _ in zip(range(MAX_RECORDS), requests, strict=False)) == MAX_RECORDS
    with pytest.raises(StatusError, match=r"exceeds the maximum \(1000\)"):
        list(warmup_requests(tmp_path))
