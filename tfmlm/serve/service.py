"""Answers about models that gRPC and REST share."""

from __future__ import annotations

from typing import Any

from tfmlm.client.states import VersionState
from tfmlm.serve.manager import ModelManager
from tfmlm.serve.servable import Servable


def metadata_response(servable: Servable) -> Any:
    """The GetModelMetadataResponse of a version: all its signatures."""
    from tensorflow_serving.apis import get_model_metadata_pb2

    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.metadata["signature_def"].Pack(signature_map(servable))
    return response


def signature_map(servable: Servable) -> Any:
    """The SignatureDefMap of a version."""
    from tensorflow_serving.apis import get_model_metadata_pb2

    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.meta_graph.signature_def.items():
        signatures.signature_def[name].CopyFrom(signature)
    return signatures


def status_response(manager: ModelManager, name: str, version: int | None, response: Any) -> Any:
    """Fills a GetModelStatusResponse.

    Raises:
        StatusError: NOT_FOUND.
    """
    for entry in manager.statuses(name, version):
        state = VersionState[entry.state]
        status = response.model_version_status.add(version=entry.number, state=state)
        status.status.error_code = entry.error.number if entry.error else 0
        status.status.error_message = entry.error.message if entry.error else ""
    return response
