"""The examples in other languages, run against a server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.missing import need
from tests.serve.fixtures import Address
from tfmlm.client import RestClient

CLIENTS = Path(__file__).parents[2] / "examples" / "clients"
TEXT = "Paris is the [MASK] of France."


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def best(toy_server: Address) -> list[Any]:
    with RestClient(toy_server.model()) as client:
        return client.fill(TEXT, top_k=3)


def test_curl(toy_server: Address, best: list[Any]) -> None:
    need("bash", "curl")
    lines = run("bash", str(CLIENTS / "curl.sh"), toy_server.model()).splitlines()
    rows, columns, targets = (json.loads(line) for line in lines if line.startswith("{"))
    assert rows["predictions"][0]["token_str"][0][:3] == [fill.token_str for fill in best]
    assert columns["outputs"]["token_str"][0][0][0] == best[0].token_str
    assert set(targets["predictions"][0]["token_str"][0]) == {"capital", "heart"}


def test_python(toy_server: Address, best: list[Any]) -> None:
    out = run(sys.executable, str(CLIENTS / "fill.py"), toy_server.model(), toy_server.grpc)
    lines = out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == [fill.token_str for fill in best]
    assert lines[-1] == "20 answers"


def test_javascript(toy_server: Address, best: list[Any]) -> None:
    need("node")
    out = run("node", str(CLIENTS / "fill.mjs"), toy_server.model())
    assert ", ".join(f"{fill.token_str} {fill.score:.3f}" for fill in best) in out
    assert len(out.splitlines()) == 5  # two texts, three masks


def test_java(toy_server: Address, best: list[Any]) -> None:
    need("java")
    out = run("java", str(CLIENTS / "Fill.java"), toy_server.model())
    assert json.loads(out)["outputs"]["token_str"] == [[[fill.token_str for fill in best]]]


def test_cpp(toy_server: Address, best: list[Any], tmp_path: Path) -> None:
    need("make", "g++", "protoc", "grpc_cpp_plugin", "pkg-config")
    run("make", "-s", "-j2", "-C", str(CLIENTS / "cpp"), f"BUILD={tmp_path}/build")
    binary = f"{tmp_path}/build/fill"
    lines = [line.split("\t") for line in run(binary, toy_server.grpc, "mlm", TEXT).splitlines()]
    assert [(word, text) for _, word, text in lines] == [(f.token_str, f.sequence) for f in best]
    done = subprocess.run(
        [binary, toy_server.grpc, "mlm", "nothing"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, "fill: the text was not filled: no_mask\n")
    done = subprocess.run([binary, toy_server.grpc, "none"], capture_output=True, text=True)
    assert done.returncode == 1 and "Servable not found for request: Latest(none)" in done.stderr


def test_the_protos_are_those_of_tensorflow_serving(tmp_path: Path) -> None:
    """Compiled by protoc (of grpcio-tools) and compared with the messages of the API package."""
    from google.protobuf import descriptor_pb2
    from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_service_pb2

    out = tmp_path / "set.pb"
    run(
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--proto_path={CLIENTS / 'cpp'}",
        f"--descriptor_set_out={out}",
        "tensor.proto",
        "serving.proto",
    )
    real = {
        "TensorProto": tensor_pb2.TensorProto.DESCRIPTOR,
        "TensorShapeProto": tensor_shape_pb2.TensorShapeProto.DESCRIPTOR,
        "ModelSpec": model_pb2.ModelSpec.DESCRIPTOR,
        "PredictRequest": predict_pb2.PredictRequest.DESCRIPTOR,
        "PredictResponse": predict_pb2.PredictResponse.DESCRIPTOR,
    }
    seen = set()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        for message in file.message_type:
            seen.add(message.name)
            for field in message.field:
                twin = real[message.name].fields_by_name[field.name]
                assert (field.number, field.type) == (twin.number, twin.type), field.name
        for enum in file.enum_type:
            assert {v.name: v.number for v in enum.value}.items() <= dict(
                types_pb2.DataType.items()
            ).items()
        for service in file.service:
            own = {method.name for method in service.method}
            theirs = prediction_service_pb2.DESCRIPTOR.services_by_name[service.name]
            assert own <= set(theirs.methods_by_name)
    assert seen == set(real)


def test_the_readme_lists_every_example() -> None:
    text = (CLIENTS / "README.md").read_text()
    for path in CLIENTS.iterdir():
        if path.suffix in (".sh", ".py", ".mjs", ".java"):
            assert f"`{path.name}`" in text
            assert re.search(r"mlm", path.read_text())
