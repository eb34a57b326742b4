"""A server as a process under attack: what is refused costs little, and others do not notice.

The server's CPU time and memory are read from /proc; nothing here depends on how fast it is.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.processes import start
from tests.serve import toy_model
from tests.serve.fixtures import ONE_MASK, free_port
from tfmlm.client import GrpcClient, RestClient, ServingError

PATH = "/v1/models/mlm:predict"


@dataclass
class Process:
    """A running `tfmlm serve`."""

    process: subprocess.Popen[bytes]
    grpc: str
    port: int
    log: Path
    wants: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/models/mlm"

    def cpu_seconds(self) -> float:
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, which: str = "VmRSS") -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{which}:")[1].split()[0]) / 1024

    def post(self, body: bytes, path: str = PATH, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(
                "POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()}
            )
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def assert_serves(self) -> None:
        with RestClient(self.model) as rest, GrpcClient(self.grpc, "mlm") as other:
            for client in (rest, other):
                assert [f.token for f in client.fill(ONE_MASK)] == self.wants["tokens"]

    def lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()


@contextlib.contextmanager
def server(base: Path, log: Path, *flags: str, files: int = 0) -> Iterator[Process]:
    """Starts one. `files`: its limit of open files."""
    rest, other = free_port(), free_port()
    command = [sys.executable, "-m", "tfmlm", "serve", "--json", "--model_name=mlm"]
    command += [f"--model_base_path={base}", f"--port={other}", f"--rest_api_port={rest}", *flags]
    if files:
        command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
    with log.open("wb") as stderr:
        process = start(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 120)
        assert ready and process.stdout.readline(), log.read_text()
        running = Process(process, f"127.0.0.1:{other}", rest, log)
        with RestClient(running.model) as client:
            running.wants["tokens"] = [fill.token for fill in client.fill(ONE_MASK)]
        yield running
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def attacked(toy_versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An export, as far as the server can tell, with limits that a test can reach."""
    base = tmp_path_factory.mktemp("attacked")
    toy_model.write_record(toy_model.copy_version(toy_versions / "1", base, 1))
    flags = ["--rest_api_timeout_in_ms=10000", "--max_answer_bytes=2000000"]
    flags += ["--head_timeout_seconds=3", "--max_connections_per_peer=100"]
    with server(base, base.parent / "attacked.log", *flags, files=700) as running:
        yield running


@pytest.fixture(autouse=True)
def still_serves(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "attacked" in request.fixturenames:
        running = request.getfixturevalue("attacked")
        running.assert_serves()
        assert not any("Traceback" in line for line in running.lines())


# ---------------------------------------------------------------- what is small and means much

MANY_ROWS = [
    b'{"instances": [' + b'"",' * 5_500_000 + b'""]}',
    b'{"inputs": {"text": [' + b'"a",' * 1_000_000 + b'"a"]}}',
    b'{"x": 1, "instances": [' + b"{}," * 5_000_000 + b"{}]}",
    b'{"inputs": [[' + b"[]," * 5_000_000 + b"[]]]}",
    b'{"inputs": [[' + b"1," * 8_000_000 + b"1]]}",
    b"[" * 16_000_000,
    b'{"instances": ["' + b"\\u0000" * 2_700_000 + b'", 1]}',
    b'{"signature_name": ["' + b"x" * 16_000_000 + b'"], "instances": []}',
]


@pytest.mark.parametrize("body", MANY_ROWS, ids=range(len(MANY_ROWS)))
@pytest.mark.parametrize("compressed", [False, True])
def test_large_json_is_refused_for_what_it_holds(
    attacked: Process, body: bytes, compressed: bool
) -> None:
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    cpu, memory = attacked.cpu_seconds(), attacked.memory_mib()
    status, reply = attacked.post(gzip.compress(body, 1) if compressed else body, **headers)
    assert status == 400 and len(reply["error"]) < 2100
    assert attacked.cpu_seconds() - cpu < 3
    assert attacked.memory_mib() - memory < 150


def message(**inputs: Any) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "mlm"
    for name, (dtype, shape, values) in inputs.items():
        tensor = request.inputs[name]
        tensor.dtype = dtype
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        {7: tensor.string_val, 3: tensor.int_val}[dtype].extend(values)
    return request


def small_messages() -> list[predict_pb2.PredictRequest]:
    text = (7, [1], [b"a [MASK]"])
    requests = [
        message(text=text, targets=(7, [1, 4_194_304], [b"a"])),
        message(text=text, targets=(7, [1, 4_194_304], [])),
        message(text=(7, [1, 262_144], [b"a"])),
        message(text=(7, [4_194_304], [b"a"])),
        message(text=(7, [1_000_000], [])),
        message(text=(7, [1, 1 << 62, 0], [])),
        message(text=(7, [1] * 1000, [b"a"])),
        message(input_ids=(3, [1, 1 << 31], [1]), attention_mask=(3, [1, 1 << 31], [1])),
    ]
    for request in requests:
        names = set(request.inputs)
        request.model_spec.signature_name = (
            "fill_mask_targets"
            if "targets" in names
            else "fill_mask_ids"
            if "input_ids" in names
            else ""
        )
    return requests


def length_delimited(tag: bytes, content: bytes) -> bytes:
    """A field of protobuf's wire format."""
    head, size = bytearray(tag), len(content)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + content


def refusal(attacked: Process, body: bytes) -> tuple[str, str]:
    with grpc.insecure_channel(attacked.grpc, [("grpc.max_send_message_length", -1)]) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as info:
            call(body, timeout=60)
    return info.value.code().name, info.value.details()


def test_messages_are_judged_before_they_are_expanded(attacked: Process) -> None:
    cpu, memory = attacked.cpu_seconds(), attacked.memory_mib()
    for request in small_messages():
        body = request.SerializeToString()
        assert len(body) < 5000
        assert refusal(attacked, body)[0] == "INVALID_ARGUMENT"
    base = message(text=(7, [1], [])).SerializeToString()
    dims = length_delimited(b"\x12", b"\x12\x00" * 3_900_000)  # TensorShapeProto.dim
    strings = b"\x42\x00" * 7_000_000  # TensorProto.string_val
    for tensor in (dims, strings):
        entry = length_delimited(b"\x0a", b"text") + length_delimited(b"\x12", tensor)
        code, text = refusal(attacked, base + length_delimited(b"\x12", entry))
        assert (code, "fields" in text) == ("INVALID_ARGUMENT", True)
    code, text = refusal(attacked, base + b"\x1a\x00" * 7_000_000)  # output_filter
    assert (code, "fields" in text) == ("INVALID_ARGUMENT", True)
    assert attacked.cpu_seconds() - cpu < 10
    assert attacked.memory_mib() - memory < 150


def test_compressed_messages_are_refused(attacked: Process) -> None:
    bomb = message(text=(7, [1], [b" " * 15_000_000])).SerializeToString()
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(attacked.grpc, options, grpc.Compression.Gzip) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as info:
            call(bomb, timeout=60)
    assert info.value.code().name in ("UNIMPLEMENTED", "INTERNAL")


# ---------------------------------------------------------------- time and answers


def test_answers_are_bounded_before_they_are_made(attacked: Process) -> None:
    masks = "[MASK]" * 300
    for inputs in (
        {"text": [masks] * 64},
        {"text": ["[MASK]" + "x" * 1900] * 1024},
        {"text": ["[MASK] " * 200] * 20, "top_k": [2**31 - 1] * 20},
        {"text": ["a"] * 1000 + ["a " * 30_000]},
        {"text": ["[MASK] " * 20] * 100, "targets": [["city"] * 100] * 100},
    ):
        name = next((f"fill_mask_{k}" for k in inputs if k != "text"), "")
        name = "tokenize" if inputs["text"][0] == "a" else name
        body = json.dumps({"inputs": inputs} | ({"signature_name": name} if name else {}))
        cpu = attacked.cpu_seconds()
        status, reply = attacked.post(body.encode())
        assert status == 400 and "this server gives at most 2.0 MB" in reply["error"], reply
        assert attacked.cpu_seconds() - cpu < 2


# ---------------------------------------------------------------- words in errors and logs


def test_errors_echo_little(attacked: Process) -> None:
    long = "\u00e9" * 16_000
    named, labelled, signed, filtered = (message(text=(7, [1], [b"a"])) for _ in range(4))
    named.model_spec.name = long
    labelled.model_spec.version_label = long
    signed.model_spec.signature_name = long
    filtered.output_filter.append(long)
    inputs = message(text=(7, [1], [b"a"]))
    inputs.inputs[long].dtype = 1
    for request in (named, labelled, signed, filtered, inputs):
        code, text = refusal(attacked, request.SerializeToString())
        assert code in ("NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION")
        assert len(text) < 2100
    for body in ({"signature_name": long}, {"inputs": {long: 1}}, {"instances": [{long: 1}]}):
        status, reply = attacked.post(json.dumps({"instances": ["a"]} | body).encode())
        assert status == 400 and len(reply["error"]) < 2100


@pytest.mark.parametrize("digits", [19, 20, 4300, 4301, 8000])
def test_versions_of_many_digits(attacked: Process, digits: int) -> None:
    number = "9" * digits
    status, reply = attacked.post(
        b'{"instances": ["a"]}', f"/v1/models/mlm/versions/{number}:predict"
    )
    assert status == 400 and "to numeric" in reply["error"] and len(reply["error"]) < 400


def test_bodies_of_many_gzip_members(attacked: Process) -> None:
    body = json.dumps({"instances": [ONE_MASK]}).encode()
    two = gzip.compress(body[:9]) + gzip.compress(body[9:])
    assert attacked.post(two, Content_Encoding="gzip")[0] == 200
    for many in (gzip.compress(body) + gzip.compress(b" ") * 1100, gzip.compress(b"") * 100_000):
        status, reply = attacked.post(many, Content_Encoding="gzip")
        assert status == 400 and "gzip members" in reply["error"]
    for encoding, data in (("br", body), ("gzip", body), ("gzip", gzip.compress(body)[:-5])):
        status, reply = attacked.post(data, Content_Encoding=encoding)
        assert status == 400 and "cannot be read" in reply["error"]


def raw(attacked: Process, data: bytes, whole: bool = True) -> bytes:
    """What is answered to bytes; if they are not `whole`, no more come."""
    with socket.create_connection(("127.0.0.1", attacked.port), timeout=30) as connection:
        answer = b""
        with contextlib.suppress(OSError):
            connection.sendall(data)
            if not whole:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
    return answer


def test_malformed_http_is_one_line_a_minute(attacked: Process) -> None:
    before = len(attacked.lines())
    for data in (b"\x16\x03\x01 hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n") * 10:
        assert b" 200 " not in raw(attacked, data)[:20]
    for chunk in (b"zz\r\n", b"-1\r\n", b"5\r\nab"):
        head = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
        raw(attacked, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, whole=False)
    raw(attacked, b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n")
    time.sleep(0.2)
    assert len(attacked.lines()) - before <= 1


# ---------------------------------------------------------------- connections


def test_slow_connections_lock_nobody_out(attacked: Process) -> None:
    before = len(attacked.lines())
    head = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
    held: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        # more than there are places, from more than one address, in every state of waiting
        for number in range(700):
            source = f"127.0.0.{2 + number % 7}" if number % 2 else "127.0.0.1"
            one = stack.enter_context(
                socket.create_connection(
                    ("127.0.0.1", attacked.port), timeout=30, source_address=(source, 0)
                )
            )
            with contextlib.suppress(OSError):
                one.sendall((b"", b"GE", head, head + b"\r\n{")[number % 4])
            held.append(one)
            if number % 100 == 99:
                attacked.assert_serves()
        assert len(list(Path(f"/proc/{attacked.process.pid}/fd").iterdir())) < 600
        attacked.assert_serves()
    assert len(attacked.lines()) - before <= 3


def test_slow_grpc_connections_lock_nobody_out(attacked: Process) -> None:
    port = int(attacked.grpc.rsplit(":", 1)[1])
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        with RestClient(attacked.model) as client:  # there are descriptors left
            assert client.fill(ONE_MASK)
        # those that do not speak go after the time for heads
        with GrpcClient(attacked.grpc, "mlm", retries=8) as other:
            assert [f.token for f in other.fill(ONE_MASK)] == attacked.wants["tokens"]


def test_answers_that_nobody_reads(attacked: Process) -> None:
    body = json.dumps({"instances": ["[MASK] " * 30] * 100}).encode()
    head = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.connect(("127.0.0.1", attacked.port))
            one.sendall(head % len(body) + body)
        attacked.assert_serves()


def test_grpc_streams_and_cancellations(attacked: Process) -> None:
    body = message(text=(7, [60], [b"a [MASK]"] * 60)).SerializeToString()
    with grpc.insecure_channel(attacked.grpc) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        stream = channel.stream_stream("/tensorflow.serving.PredictionService/Predict")
        stop = threading.Event()

        def never() -> Iterator[bytes]:
            stop.wait(60)
            yield from ()

        held = [stream(never(), timeout=60) for _ in range(100)]  # calls without a message
        for _ in range(20):
            futures = [call.future(body, timeout=60) for _ in range(20)]
            for future in futures:
                future.cancel()
        attacked.assert_serves()
        two = stream(iter([body, body]), timeout=60)  # two messages where one belongs
        with contextlib.suppress(grpc.RpcError):
            list(two)
        for one in held:
            one.cancel()
        stop.set()


# ---------------------------------------------------------------- browsers


def ask(attacked: Process, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", attacked.port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_other_names_and_other_sites(attacked: Process) -> None:
    body = json.dumps({"instances": [ONE_MASK]}).encode()
    for name in ("evil.example", "localhost.evil.example", f"evil.example:{attacked.port}"):
        for method, path in (("GET", "/"), ("GET", "/v1/models/mlm"), ("POST", PATH)):
            assert ask(attacked, method, path, body, Host=name) == 403
    for name in ("localhost", f"127.0.0.1:{attacked.port}", "[::1]"):
        assert ask(attacked, "POST", PATH, body, Host=name) == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        for elsewhere in ({"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
            assert ask(attacked, "POST", PATH, body, Content_Type=kind, **elsewhere) == 415
        assert ask(attacked, "POST", PATH, body, Content_Type=kind) == 200  # not a browser
    own = {"Origin": f"http://localhost:{attacked.port}", "Host": f"localhost:{attacked.port}"}
    assert ask(attacked, "POST", PATH, body, Content_Type="text/plain", **own) == 200
    assert b" 400 " in raw(attacked, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")[:20]
    twice = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b" 400 " in raw(attacked, twice)[:20]
    absolute = b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert b" 403 " in raw(attacked, absolute)[:20]


# ---------------------------------------------------------------- bytes are bytes


def test_texts_come_back_as_they_were(attacked: Process) -> None:
    texts = ["\x00[MASK]\x00", "\u2028[MASK]\U0010ffff", '"\\[MASK]</script>', "\r\n[MASK]\t"]
    with RestClient(attacked.model) as rest, GrpcClient(attacked.grpc, "mlm") as other:
        for client in (rest, other):
            for text, answer in zip(texts, client.answers(texts, top_k=1), strict=True):
                assert answer.filled == text.replace("[MASK]", answer.masks[0][0].token_str)
                assert answer.masks[0][0].sequence == answer.filled
            broken = b"\xff\xfe[MASK]\xc3\x28\x00"
            (answer,) = client.answers([broken], top_k=1)
            word = answer.masks[0][0].token_str.encode()
            assert answer.filled == broken.replace(b"[MASK]", word).decode("utf-8", "replace")


# ---------------------------------------------------------------- the end


def test_sigterm_while_a_version_loads(
    toy_versions: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The load takes minutes; a request that runs gets its answer."""
    base = tmp_path_factory.mktemp("loading")
    toy_model.copy_version(toy_versions / "1", base, 1)
    flags = ["--drain_seconds=4", "--file_system_poll_wait_seconds=0.1"]
    with server(base, base.parent / "loading.log", *flags) as running:
        slow = base / ".tmp-slow"
        toy_model.save(base / ".made", 2, work=400, warmup_texts=("a [MASK]",) * 900)
        (base / ".made" / "2").rename(slow)
        warmup = slow / "assets.extra" / "tf_serving_warmup_requests"
        toy_model.write_warmup(warmup, ("a [MASK] b",) * 900)
        slow.rename(base / "2")
        with RestClient(running.model) as client:
            while client.status().get(2) != "LOADING":
                time.sleep(0.05)
            time.sleep(1)  # in its warm-up
            assert client.status()[2] == "LOADING"
            assert client.fill(ONE_MASK)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(4 + 15) == 0
        assert not any("Traceback" in line for line in running.lines())


# ---------------------------------------------------------------- all of it at once


def hostile_bodies() -> list[tuple[bytes, dict[str, str]]]:
    json_ = [
        MANY_ROWS[0],
        MANY_ROWS[3],
        json.dumps({"inputs": ["[MASK]" * 300] * 64}).encode(),
        json.dumps({"inputs": ["x" * 1900 + "[MASK]"] * 500}).encode(),
        json.dumps(
            {
                "signature_name": "fill_mask_top_k",
                "inputs": {"text": ["[MASK]"] * 1024, "top_k": [2**31 - 1] * 1024},
            }
        ).encode(),
        b"{" * 100,
    ]
    bombs = [gzip.compress(b" " * 50_000_000), gzip.compress(b"x") * 2000]
    return [(b, {}) for b in json_] + [(b, {"Content_Encoding": "gzip"}) for b in bombs]


def attack(running: Process, stop: threading.Event, number: int) -> None:
    """One attacker: every kind of harm in turn until it is told to stop."""
    bodies, messages = hostile_bodies(), [m.SerializeToString() for m in small_messages()]
    held: list[socket.socket] = []
    turn = number
    while not stop.is_set():
        turn += 1
        with contextlib.suppress(OSError, ValueError, grpc.RpcError, http.client.HTTPException):
            if turn % 4 == 0:
                body, headers = bodies[turn // 4 % len(bodies)]
                running.post(body, **headers)
            elif turn % 4 == 1:
                with grpc.insecure_channel(running.grpc) as channel:
                    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
                    call.future(messages[turn // 4 % len(messages)], timeout=5).result(5)
            elif turn % 4 == 2:
                one = socket.create_connection(("127.0.0.1", running.port), timeout=5)
                one.sendall(b"POST /v1/models/mlm:predict HTTP/1.1\r\nHost: localhost\r\n")
                held.append(one)
                if len(held) > 60:
                    held.pop(0).close()
            else:
                raw(running, b"\x00\xff" * 50 + b"\r\n\r\n")
    for one in held:
        one.close()


def test_good_clients_beside_hostile_ones(
    attacked: Process, request: pytest.FixtureRequest
) -> None:
    """Some seconds of it; three minutes with `--long`, and memory after a minute without work."""
    long = request.config.getoption("--long", False)
    attacked.assert_serves()
    memory = attacked.memory_mib()
    stop = threading.Event()
    failures: list[Exception] = []
    seconds: list[float] = []

    def good(make: Any) -> None:
        with make() as client:
            number = 0
            while not stop.is_set():
                number += 1
                text = f"{number} is the [MASK] of it"
                started = time.monotonic()
                try:
                    (answer,) = client.answers([text], top_k=1)
                    word = answer.masks[0][0].token_str
                    assert answer.filled == text.replace("[MASK]", word)
                except Exception as error:
                    failures.append(error)
                    return
                seconds.append(time.monotonic() - started)
                time.sleep(0.02)

    makers = [lambda: RestClient(attacked.model), lambda: GrpcClient(attacked.grpc, "mlm")]
    threads = [threading.Thread(target=good, args=(make,)) for make in makers]
    threads += [threading.Thread(target=attack, args=(attacked, stop, n)) for n in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(180 if long else 8)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len(seconds) > 20
    seconds.sort()
    print(f"{len(seconds)} good requests, p99 {seconds[int(len(seconds) * 0.99)] * 1000:.0f} ms")
    if long:
        assert seconds[int(len(seconds) * 0.99)] < 1
        time.sleep(60)
        assert attacked.memory_mib() < 1.5 * memory


def test_a_request_that_takes_too_long_ends_in_time(tmp_path: Path) -> None:
    """Reading, waiting, running and writing have one deadline."""
    toy_model.save(tmp_path, 1, work=30)
    flags = ["--rest_api_timeout_in_ms=1500", "--max_answer_bytes=1000000000"]
    with server(tmp_path, tmp_path / "log", *flags) as running:
        texts = ["[MASK]" * 300] * 500
        cpu = running.cpu_seconds()
        status, reply = running.post(json.dumps({"instances": texts}).encode())
        assert (status, "Timed out" in reply["error"]) == (504, True)
        for _ in range(100):  # and nobody goes on working for it
            before = running.cpu_seconds()
            time.sleep(0.5)
            if running.cpu_seconds() - before < 0.1:
                break
        assert running.cpu_seconds() - cpu < 40
        with (
            GrpcClient(running.grpc, "mlm", max_batch_size=500) as client,
            pytest.raises(ServingError, match="DEADLINE_EXCEEDED"),
        ):
            client.fill(texts)


def test_messages_of_tensorflow_are_still_read(attacked: Process) -> None:
    """Nothing good is refused for looking like an attack: the largest request that fits."""
    rows = ["the [MASK] of " + "\u00e9" * 100] * 1024
    targets = [["city", "soul", *["x"] * 30]] * 1024
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "mlm"
    request.model_spec.signature_name = "tokenize"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(rows))
    with grpc.insecure_channel(attacked.grpc) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        reply = predict_pb2.PredictResponse.FromString(call(request.SerializeToString()))
    assert tf.make_ndarray(reply.outputs["input_ids"]).shape == (1024, 4)
    body = {"signature_name": "tokenize", "inputs": rows}
    assert attacked.post(json.dumps(body).encode())[0] == 200
    few = {"text": rows[:100], "targets": targets[:100]}
    body = {"signature_name": "fill_mask_targets", "inputs": few}
    assert attacked.post(json.dumps(body).encode())[0] == 200
