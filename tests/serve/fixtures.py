"""Servers over the toy model, shared by the tests of the server, the clients and the examples."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serve import toy_model

ONE_MASK = "Paris is the [MASK] of France."
TWO_MASKS = "The [MASK] of the [MASK]."


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Address:
    """Where a server under test listens."""

    grpc: str
    rest: str
    server: Any = None

    def model(self, name: str = "mlm") -> str:
        return f"{self.rest}/v1/models/{name}"


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Address]:
    """A server in a thread of this process, on free ports of the loopback address."""
    from tfmlm.serve.options import ServerOptions
    from tfmlm.serve.server import running

    grpc, rest = free_port(), free_port()
    options = {"file_system_poll_wait_seconds": 0.05, "model_name": "mlm", **options}
    with running(ServerOptions(port=grpc, rest_api_port=rest, **options)) as server:
        yield Address(f"127.0.0.1:{grpc}", f"http://127.0.0.1:{rest}", server)


@pytest.fixture(scope="session")
def toy_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `1` and `2`: two toy models with different answers."""
    base = tmp_path_factory.mktemp("toy")
    toy_model.save(base, 1)
    toy_model.save(base, 2, flavour=7)
    return base


@pytest.fixture(scope="session")
def toy_server(toy_versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """`mlm` with both versions, labelled stable (1) and canary (2), and metrics."""
    folder = tmp_path_factory.mktemp("config")
    models = folder / "models.config"
    models.write_text(
        f"""model_config_list {{ config {{
            name: "mlm" base_path: "{toy_versions}" model_platform: "tensorflow"
            model_version_policy {{ all {{}} }}
            version_labels {{ key: "stable" value: 1 }}
            version_labels {{ key: "canary" value: 2 }}
        }} }}"""
    )
    monitoring = folder / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    with serving(
        model_config_file=str(models),
        monitoring_config_file=str(monitoring),
        rest_api_enable_cors_support=True,
        max_body_bytes=200_000,
        max_batch_rows=50,
    ) as address:
        yield address


@pytest.fixture(scope="session")
def reference(toy_versions: Path) -> Any:
    """Answers of a version's signature by `tf.saved_model.load`: `(version, name, **inputs)`."""
    import tensorflow as tf

    loaded = {v: tf.saved_model.load(str(toy_versions / str(v))) for v in (1, 2)}

    def call(version: int, name: str, **inputs: Any) -> dict[str, np.ndarray]:
        signature = loaded[version].signatures[name]
        tensors = {
            key: tf.constant(value, tf.int32) if key == "top_k" else tf.constant(value)
            for key, value in inputs.items()
        }
        return {key: value.numpy() for key, value in signature(**tensors).items()}

    return call
