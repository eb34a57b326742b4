"""Answers about models: all signatures of a version, the state of each version."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tests.serve.test_manager import until
from tfmlm.serve.manager import ModelManager
from tfmlm.serve.model_config import single_model_config
from tfmlm.serve.servable import Servable
from tfmlm.serve.service import metadata_response, status_response
from tfmlm.serve.status import StatusError


def test_metadata_has_every_signature() -> None:
    meta_graph = meta_graph_pb2.MetaGraphDef()
    for name in ("serving_default", "other"):
        meta_graph.signature_def[name].inputs["x"].name = f"{name}:0"
    response = metadata_response(Servable("m", 7, None, meta_graph))
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 7)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    assert dict(found.signature_def) == dict(meta_graph.signature_def)


def test_status_of_a_version_that_serves_and_of_one_that_cannot(tmp_path: Path) -> None:
    def loader(name: str, version: int, path: Path) -> Servable:
        if version == 2:
            raise StatusError("DATA_LOSS", "torn")
        session = tf.compat.v1.Session(graph=tf.Graph())
        return Servable(name, version, session, meta_graph_pb2.MetaGraphDef())

    manager = ModelManager(loader, poll_seconds=0, load_retries=0)
    try:
        (tmp_path / "1").mkdir()
        manager.configure(single_model_config("m", str(tmp_path)))
        (tmp_path / "2").mkdir()
        manager.poll()
        until(lambda: manager.statuses("m", 2)[0].state == "END")
        kind = get_model_status_pb2.GetModelStatusResponse
        both = status_response(manager, "m", None, kind()).model_version_status
        found = {v.version: (v.state, v.status.error_code, v.status.error_message) for v in both}
        states = get_model_status_pb2.ModelVersionStatus
        assert found == {1: (states.AVAILABLE, 0, ""), 2: (states.END, 15, "torn")}
        one = status_response(manager, "m", 1, kind()).model_version_status
        assert [entry.version for entry in one] == [1]
        with pytest.raises(StatusError) as error:
            status_response(manager, "nobody", None, kind())
        assert error.value.code == "NOT_FOUND"
    finally:
        manager.stop()
