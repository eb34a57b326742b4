"""Clients against servers that mean harm: every call ends, in time and memory, with its own error.

The servers are real ones on the loopback address.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from tests.attack.evil_server import evil_grpc, evil_http, http_answer
from tests.serve.fixtures import ONE_MASK
from tfmlm.client import GrpcClient, RestClient, ServingError

GOOD = {
    "score": [[[0.5]]],
    "token": [[[3]]],
    "token_str": [[["x"]]],
    "sequence": [[["x y"]]],
    "mask_count": [1],
    "status": ["ok"],
}


def once(client: Any, texts: Any = ONE_MASK) -> Any:
    """`fill_async` in a loop of its own."""

    async def go() -> Any:
        async with client:
            return await client.fill_async(texts)

    return asyncio.run(go())


def both_ways(url: str, **options: Any) -> list[ServingError]:
    """The errors of `fill` and of `fill_async`."""
    errors = []
    for call in (lambda c: c.fill(ONE_MASK), once):
        with pytest.raises(ServingError) as info:
            call(RestClient(url, retries=0, **options))
        errors.append(info.value)
    return errors


@pytest.mark.parametrize("limit", [b"0", b"-1", b"00", b"9" * 5000, b"1", b"2"])
def test_refusals_for_too_many_rows_end(limit: bytes) -> None:
    error = b"Task size 1 is larger than maximum batch size " + limit
    body = json.dumps({"error": error.decode()}).encode()
    with evil_http(lambda head: iter([http_answer(body, "400 Bad Request")])) as server:
        with RestClient(server.model) as client:
            for texts in (ONE_MASK, [ONE_MASK] * 9):
                with pytest.raises(ServingError, match="Task size 1"):
                    client.fill(texts)
        with pytest.raises(ServingError, match="Task size 1"):
            once(RestClient(server.model), [ONE_MASK] * 9)
        assert len(server.heads) <= 6


def test_a_limit_that_shrinks_for_ever_is_given_up() -> None:
    limits = iter(range(200, 0, -1))

    def answer(head: bytes) -> Iterator[bytes]:
        text = f"Task size 999 is larger than maximum batch size {next(limits)}"
        yield http_answer(json.dumps({"error": text}).encode(), "400 Bad Request")

    with evil_http(answer) as server, RestClient(server.model, max_batch_size=500) as client:
        with pytest.raises(ServingError, match="Task size"):
            client.fill([ONE_MASK] * 500)
        assert len(server.heads) <= 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    answer = http_answer(json.dumps({"outputs": GOOD}).encode())
    with evil_http(lambda head: iter([answer])) as elsewhere:
        location = f"Location: {elsewhere.model}:predict\r\n"
        redirect = http_answer(b"", f"{status} Elsewhere", location)
        with evil_http(lambda head: iter([redirect])) as server:
            errors = both_ways(server.model, headers={"X-Api-Key": "secret"})
            assert all(f"HTTP {status}: the server sends us to" in str(e) for e in errors)
            with RestClient(server.model) as client, pytest.raises(ServingError, match="redirects"):
                client.status()
        assert elsewhere.heads == []


def drip(head: bytes, body: bytes) -> Iterator[bytes]:
    """One byte after another, for longer than any test waits."""
    yield head
    for at in range(len(body)):
        yield body[at : at + 1]
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000),  # a head that never ends
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" " * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 200),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),  # interim answers
    ],
)
def test_the_timeout_is_for_all_of_an_answer(head: bytes, body: bytes) -> None:
    with evil_http(lambda _: drip(head, body)) as server:
        started = time.monotonic()
        errors = both_ways(server.model, timeout=0.4)
        assert all("DEADLINE_EXCEEDED: no answer within 0.4 s" in str(e) for e in errors)
        with RestClient(server.model, timeout=30) as client, pytest.raises(ServingError):
            client.wait_until_ready(0.4)
        # two calls and a wait of 0.4 s each, where the server goes on for 5 s and more
        assert time.monotonic() - started < 4.5


def wrong(name: str, value: Any) -> dict[str, Any]:
    return {"outputs": GOOD | {name: value}}


DEEP = b"[" * 100_000
WRONG: list[tuple[bytes, str]] = [
    (json.dumps(wrong(name, value)).encode(), f"'{name}'")
    for name in GOOD
    for value in (None, 1, "x", {}, {"0": 1}, [], [[]], [1], [None], [{}], [["x", 1]], [True])
    # a list of one string is a status; no masks and no candidates at all are counted elsewhere
    if not (name == "mask_count" and value == [1])
] + [
    (json.dumps(wrong("score", [[["0.5"]]])).encode(), "'score'[0][0] holds str '0.5'"),
    (json.dumps(wrong("score", [[[True]]])).encode(), "'score'[0][0] holds bool"),
    (json.dumps(wrong("score", [[[10**400]]])).encode(), "'score'[0][0] holds int"),
    (json.dumps(wrong("token", [[[3.5]]])).encode(), "'token'[0][0] holds float 3.5"),
    (json.dumps(wrong("token_str", [[[None]]])).encode(), "'token_str'[0][0] holds null"),
    (json.dumps(wrong("sequence", [[["a", "b"]]])).encode(), "'sequence'[0][0] 2"),
    (json.dumps(wrong("mask_count", [10**9])).encode(), "'mask_count'[0] is 1000000000"),
    (json.dumps(wrong("mask_count", [-1])).encode(), "'mask_count'[0] is int -1"),
    (json.dumps(wrong("filled", [7])).encode(), "'filled'[0] is int 7"),
    (b'{"outputs": {"score": ' + DEEP, "nested too deeply"),
    (b'{"outputs": 1e5', "no JSON"),
    (b"\xff\xfe{\x00}\x00", "not UTF-8"),
    (b'{"outputs": ' + b"9" * 5000 + b"}", "no JSON"),
    (b"[" + b"[]," * 4_200_000 + b"[]]", "JSON of more than"),
    (b"[]", "no JSON object"),
    (b'{"outputs": []}', "not an export of tfmlm"),
    (b'{"predictions": []}', "not an export of tfmlm"),
    (b'{"error": {"a": 1}}', "not an export of tfmlm"),
    (b"", "no JSON"),
]


@pytest.fixture(scope="module")
def any_answer() -> Iterator[tuple[Any, list[bytes]]]:
    """A server that answers what is put into the list, and a client of it."""
    bodies: list[bytes] = [b""]
    with (
        evil_http(lambda head: iter([http_answer(bodies[0])])) as server,
        RestClient(server.model, retries=0) as client,
    ):
        yield client, bodies


@pytest.mark.parametrize(("body", "message"), WRONG, ids=range(len(WRONG)))
def test_rest_answers_of_a_wrong_shape(any_answer: Any, body: bytes, message: str) -> None:
    client, bodies = any_answer
    bodies[0] = body
    with pytest.raises(ServingError) as info:
        client.fill(ONE_MASK)
    assert message in str(info.value) and len(str(info.value)) < 2500
    with pytest.raises(ServingError):
        once(RestClient(client.address, retries=0))


@pytest.mark.parametrize(
    "versions",
    [1, [1], [{}], [{"version": "x", "state": "END"}], [{"version": "1"}], ["a"], None]
    + [[{"version": "9" * 5000, "state": "END"}], [{"version": [1], "state": "END"}]],
)
def test_rest_states_of_a_wrong_shape(any_answer: Any, versions: Any) -> None:
    client, bodies = any_answer
    bodies[0] = json.dumps({"model_version_status": versions}).encode()
    with pytest.raises(ServingError, match="'model_version_status' holds"):
        client.status()


def test_a_good_answer_is_taken(any_answer: Any) -> None:
    client, bodies = any_answer
    bodies[0] = json.dumps({"outputs": GOOD}).encode()
    assert client.fill(ONE_MASK) == [
        {"score": 0.5, "token": 3, "token_str": "x", "sequence": "x y"}
    ]


def compressed(body: bytes, encoding: str) -> bytes:
    return gzip.compress(body) if encoding == "gzip" else zlib.compress(body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_answers_are_bounded_by_what_they_hold(encoding: str) -> None:
    body = json.dumps({"outputs": GOOD}).encode()
    header = f"Content-Encoding: {encoding}\r\n"
    bodies = [
        compressed(body, encoding),
        compressed(b" " * 3_000_000, encoding),
        compressed(body, encoding)[:-3] if encoding == "gzip" else b"\x78\x9cxyz",
    ]
    with evil_http(lambda head: iter([http_answer(bodies[0], headers=header)])) as server:
        with RestClient(server.model, max_answer_bytes=100_000) as client:
            assert client.fill(ONE_MASK)[0].token_str == "x"
        bodies.pop(0)
        assert len(bodies[0]) < 100_000
        for error in both_ways(server.model, max_answer_bytes=100_000):
            assert "longer than max_answer_bytes=100000" in str(error)
        bodies.pop(0)
        for error in both_ways(server.model):
            assert "data " in str(error)


def test_a_bomb_takes_no_memory() -> None:
    """In a process of its own, whose peak is looked at."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeezer.compress(b"[" + b"0," * (1 << 19)) for _ in range(1600))
    bomb += squeezer.flush()  # 1.6 GB
    answer = http_answer(bomb, headers="Content-Encoding: gzip\r\n")
    program = """
import asyncio, resource, sys
from tfmlm.client import RestClient, ServingError
import aiohttp
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for client in (RestClient(sys.argv[1], retries=0),) * 2:
    try:
        client.fill("a [MASK]")
    except ServingError as error:
        print(error.code)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    with evil_http(lambda head: iter([answer])) as server:
        done = subprocess.run(
            [sys.executable, "-c", program, server.model],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    *codes, grown = done.stdout.split()
    assert codes == ["RESOURCE_EXHAUSTED"] * 2
    assert int(grown) < 200 * 1024, "KiB: three times max_answer_bytes"


def test_plain_answers_are_bounded() -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def answer(head: bytes) -> Iterator[bytes]:
        yield endless
        while True:
            yield b"10000\r\n" + b" " * 65536 + b"\r\n"

    with evil_http(answer) as server:
        for error in both_ways(server.model, max_answer_bytes=1_000_000):
            assert error.code == "RESOURCE_EXHAUSTED"


def test_long_errors_are_cut() -> None:
    body = json.dumps({"error": "x" * 1_000_000}).encode()
    with evil_http(lambda head: iter([http_answer(body, "500 No")])) as server:
        assert all(len(str(error)) < 2500 for error in both_ways(server.model))


# ---------------------------------------------------------------- gRPC


def reply(**changes: Any) -> predict_pb2.PredictResponse:
    """The good answer, with other tensors."""
    import tensorflow as tf

    message = predict_pb2.PredictResponse()
    for name, value in (GOOD | changes).items():
        dtype = tf.int32 if name in ("token", "mask_count") and name not in changes else None
        message.outputs[name].CopyFrom(tf.make_tensor_proto(value, dtype=dtype))
    return message


def with_shape(name: str, *sizes: int) -> bytes:
    message = reply()
    del message.outputs[name].tensor_shape.dim[:]
    for size in sizes:
        message.outputs[name].tensor_shape.dim.add(size=size)
    return message.SerializeToString()


def grpc_wrong() -> list[tuple[bytes, str]]:
    unknown = reply()
    unknown.outputs["score"].tensor_shape.unknown_rank = True
    odd = reply()
    odd.outputs["score"].dtype = 8
    half = reply()
    half.outputs["token"].tensor_content = b"abc"
    missing = reply()
    del missing.outputs["status"]
    return [
        (with_shape("score", 10**9), "output 'score': a tensor of shape"),
        (with_shape("score", 10**9, 0), "output 'score': a tensor of shape"),
        (with_shape("token_str", 1, 1, 1 << 62), "output 'token_str'"),
        (with_shape("score", 1 << 62, 1 << 62), "output 'score'"),
        (with_shape("token", -1, -1, 1), "output 'token': a tensor of shape"),
        (with_shape("status", *[1] * 5000), "more than 8 dimensions"),
        (with_shape("status"), "'status' is str"),
        (with_shape("score", 1, 1), "'score'[0][0] is float"),
        (with_shape("score", 1, 1, 60_000), "'token'[0][0] 1"),
        (unknown.SerializeToString(), "without a shape"),
        (odd.SerializeToString(), "tensor type 8"),
        (half.SerializeToString(), "output 'token'"),
        (missing.SerializeToString(), "no output 'status'"),
        (reply(score=[[["x"]]]).SerializeToString(), "'score'[0][0] holds str"),
        (reply(mask_count=[2000]).SerializeToString(), "'mask_count'[0] is 2000"),
        (reply(status=["ok", "ok"]).SerializeToString(), "1 texts sent, 2 rows of 'status'"),
        (b"\xff\xff\xff", "no PredictResponse"),
        (b"", "no output 'score'"),
    ]


def test_grpc_answers_of_a_wrong_shape(caplog: pytest.LogCaptureFixture) -> None:
    bodies = [b""]
    with (
        evil_grpc(lambda: bodies[0]) as address,
        GrpcClient(address, "mlm", retries=0) as client,
    ):
        for bodies[0], message in grpc_wrong():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with pytest.raises(ServingError) as info:
                client.fill(ONE_MASK)
            assert message in str(info.value), (message, str(info.value))
            with pytest.raises(ServingError) as info:
                once(GrpcClient(address, "mlm", retries=0))
            assert message in str(info.value)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            assert grown < 100 * 1024, f"{message}: {grown} KiB"
        bodies[0] = reply().SerializeToString()
        assert client.fill(ONE_MASK)[0].token == 3
        bodies[0] = b"\xff"
        with pytest.raises(ServingError, match="no GetModelStatusResponse"):
            client.status()
        status = get_model_status_pb2.GetModelStatusResponse()
        status.model_version_status.add(version=3, state=30)
        bodies[0] = status.SerializeToString() + b"\x0a\x04\x08\x04\x10\x63"  # a state 99
        assert client.status() == {3: "AVAILABLE", 4: "99"}
    assert not caplog.records


def test_grpc_answers_are_bounded() -> None:
    zeros = reply(sequence=[[["x" * 3_000_000]]]).SerializeToString()
    for compression in (None, grpc.Compression.Gzip):
        with evil_grpc(lambda: zeros, compression) as address:
            client = GrpcClient(address, "mlm", retries=0, max_answer_bytes=1_000_000)
            with client, pytest.raises(ServingError):
                client.fill(ONE_MASK)
            with pytest.raises(ServingError):
                once(client)
