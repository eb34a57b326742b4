"""Whatever is sent, the server answers as an error and goes on serving."""

from __future__ import annotations

import gzip
import json
import random
import socket
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.serve.fixtures import ONE_MASK, Address
from tests.serve.test_rest import ask, predict


@pytest.fixture(autouse=True)
def still_serves(toy_server: Address) -> Any:
    want = predict(toy_server, {"instances": [ONE_MASK]})
    assert want[0] == 200
    yield
    assert predict(toy_server, {"instances": [ONE_MASK]}) == want
    assert toy_server.server.predictor.active == 0


def mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with some bytes changed, cut out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(4)
        if kind == 0 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 1:
            del changed[at : at + rng.randrange(9)]
        elif kind == 2:
            changed[at:at] = changed[at : at + rng.randrange(30)]
        else:
            changed[at:at] = rng.choice(
                [b"\x00", b'"', b"[", b"]", b"{", b"}", b"\xff", b"-1", b"1e999"]
            )
    return bytes(changed)


def test_mutated_json(toy_server: Address) -> None:
    rng = random.Random(1)
    bodies = [
        json.dumps(body).encode()
        for body in (
            {"instances": [ONE_MASK, "x"]},
            {"signature_name": "fill_mask_top_k", "instances": [{"text": "a [MASK]", "top_k": 3}]},
            {
                "signature_name": "fill_mask_targets",
                "inputs": {"text": ["[MASK]"], "targets": [["city", "ü"]]},
            },
            {"signature_name": "tokenize", "inputs": [{"b64": "YWJj"}]},
        )
    ]
    statuses = set()
    for _ in range(400):
        status, _, reply = ask(
            toy_server, "POST", "/v1/models/mlm:predict", mutated(rng.choice(bodies), rng)
        )
        statuses.add(status)
        assert ("error" in reply) == (status != 200), reply
    assert statuses <= {200, 400, 404, 501}
    assert {200, 400} <= statuses


def test_mutated_protobuf(toy_server: Address) -> None:
    rng = random.Random(2)
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "mlm"
    message.model_spec.signature_name = "fill_mask_top_k"
    message.inputs["text"].CopyFrom(tf.make_tensor_proto([ONE_MASK, "b"]))
    message.inputs["top_k"].CopyFrom(tf.make_tensor_proto([2, 3]))
    data = message.SerializeToString()
    codes = set()
    with grpc.insecure_channel(toy_server.grpc) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for _ in range(400):
            try:
                call(mutated(data, rng), timeout=30)
                codes.add("OK")
            except grpc.RpcError as error:
                codes.add(error.code().name)
    assert codes <= {"OK", "INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}
    assert {"INTERNAL", "INVALID_ARGUMENT"} <= codes


def test_values_at_the_edges(toy_server: Address) -> None:
    for top_k in (-1, 0, 1, 10**6, 2**31 - 1, -(2**31)):
        body = {
            "signature_name": "fill_mask_top_k",
            "instances": [{"text": "[MASK]", "top_k": top_k}],
        }
        assert predict(toy_server, body)[0] == 200
    for text in ("", "[MASK]" * 100, "\x00", "\U0010ffff", "a" * 5000, "[MASK", "]["):
        assert predict(toy_server, {"instances": [text]})[0] == 200
    body = {"signature_name": "fill_mask_targets", "inputs": {"text": ["[MASK]"], "targets": [[]]}}
    assert predict(toy_server, body)[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/models/mlm:predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/models/mlm:predict HTTP/1.1\r\nContent-Length: 99999999999\r\nHost: x\r\n\r\n{",
        b"POST /v1/models/mlm:predict HTTP/1.1\r\nHost: x\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /v1/models/%ff%00/../x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/models/mlm:predict HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: 5\r\n\r\nhello",
    ],
)
def test_raw_bytes(toy_server: Address, raw: bytes) -> None:
    host, port = toy_server.rest.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            return
    assert not answer or answer.startswith(b"HTTP/1.") and b" 200 " not in answer[:20]


def test_compressed_bodies_are_bounded_by_what_they_hold(toy_server: Address) -> None:
    def post(body: bytes) -> tuple[int, Any]:
        data = gzip.compress(body)
        where = "/v1/models/mlm:predict"
        status, _, reply = ask(toy_server, "POST", where, data, Content_Encoding="gzip")
        return status, reply

    plain = {"instances": [ONE_MASK]}
    assert post(json.dumps(plain).encode()) == predict(toy_server, plain)
    bomb = b" " * 50_000_000  # 50 kB as sent
    assert post(bomb) == (413, {"error": "the request is larger than 200000 bytes"})


def test_clients_that_go_away(toy_server: Address) -> None:
    host, port = toy_server.rest.removeprefix("http://").split(":")
    body = json.dumps({"instances": ["[MASK]"] * 50}).encode()
    head = b"POST /v1/models/mlm:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    for cut in (10, len(head), len(head) + 30, len(head) + len(body)):
        for _ in range(5):
            connection = socket.create_connection((host, int(port)))
            connection.sendall((head + body)[:cut])
            connection.close()
    for _ in range(200):
        if not toy_server.server.predictor.active:
            break
        import time

        time.sleep(0.02)
