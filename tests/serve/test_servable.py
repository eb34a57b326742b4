"""A version runs, says what TensorFlow says, and is closed only when nobody uses it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError


@pytest.fixture
def servable() -> Servable:
    """`y` is 6 // `x`, int32 of any one dimension."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.int32, [None], "x")
        tf.math.floordiv(6, x, name="y")
    session = tf.compat.v1.Session(graph=graph)
    return Servable("m", 1, session, meta_graph_pb2.MetaGraphDef())


def test_it_runs_and_errors_have_a_status(servable: Servable) -> None:
    (found,) = servable.run({"x:0": np.array([1, 2, 4], np.int32)}, ["y:0"], 10_000)
    assert found.tolist() == [6, 3, 1]
    for wrong in ([0], [[1]]):  # a division by zero, another shape
        with pytest.raises(StatusError) as error:
            servable.run({"x:0": np.array(wrong, np.int32)}, ["y:0"], 10_000)
        assert error.value.code == "INVALID_ARGUMENT"
    with pytest.raises(StatusError) as late:
        Servable.run(servable, {"x:0": np.array([1], np.int32)}, ["no such:0"], 10_000)
    assert late.value.code == "INVALID_ARGUMENT"
    assert servable.close()


def test_it_is_closed_when_the_last_request_is_over(servable: Servable) -> None:
    feeds = {"x:0": np.array([2], np.int32)}
    with servable.use() as used:
        assert used is servable
        assert not servable.close(patience=0.01)
        with servable.use() as late:
            assert late is None
        closing = threading.Thread(target=servable.close)
        closing.start()
        assert servable.run(feeds, ["y:0"], 10_000)[0].tolist() == [3]
        assert closing.is_alive()
    closing.join(30)
    assert not closing.is_alive()
    assert servable.meta_graph is None


def test_what_cannot_be_loaded_has_a_status(tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="SavedModel file does not exist") as error:
        Servable.load("m", 1, tmp_path)
    assert error.value.code == "NOT_FOUND"
    (tmp_path / "saved_model.pb").write_bytes(b"\xff no message")
    with pytest.raises(StatusError):
        Servable.load("m", 1, tmp_path)
