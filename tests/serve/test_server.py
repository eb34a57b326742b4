"""The server as a process: start, limits, TLS, draining."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.processes import start
from tests.serve import toy_model
from tests.serve.fixtures import ONE_MASK, Address, free_port, serving
from tests.serve.test_rest import ask
from tfmlm.client import GrpcClient, RestClient, ServingError, Tls
from tfmlm.errors import UserError
from tfmlm.serve.options import ServerOptions


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes a fraction of a second for a text."""
    base = tmp_path_factory.mktemp("slow")
    toy_model.save(base, 1, work=400)
    return base


def start_process(*flags: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Starts `tfmlm serve --json` and waits for its line."""
    process = start(
        [sys.executable, "-m", "tfmlm", "serve", "--json", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 90)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        raise AssertionError(f"it did not start: {process.communicate()[1]}")
    return process, json.loads(line)


def test_sigterm_lets_running_requests_finish(slow_model: Path) -> None:
    grpc_port, rest_port = free_port(), free_port()
    process, found = start_process(
        "--model_name=mlm",
        f"--model_base_path={slow_model}",
        f"--port={grpc_port}",
        f"--rest_api_port={rest_port}",
        "--drain_seconds=120",
        "--rest_api_timeout_in_ms=120000",
    )
    try:
        assert found == {
            "models": ["mlm"],
            "grpc": f"127.0.0.1:{grpc_port}",
            "rest": f"http://127.0.0.1:{rest_port}",
        }
        clients = [
            GrpcClient(found["grpc"], "mlm", retries=0, max_batch_size=96, timeout=150),
            RestClient(found["rest"] + "/v1/models/mlm", retries=0, max_batch_size=96, timeout=150),
        ]
        results: list[Any] = []
        threads = [
            threading.Thread(target=lambda c=c: results.append(c.fill([ONE_MASK] * 96)))
            for c in clients
        ]
        for client in clients:
            client.status()  # connected
        for thread in threads:
            thread.start()
        time.sleep(0.15)
        assert not results, "the requests must still be running"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with pytest.raises(ServingError, match="UNAVAILABLE"):
            RestClient(found["rest"] + "/v1/models/mlm", retries=0).fill(ONE_MASK)
        for thread in threads:
            thread.join(150)
        assert [len(fills) for fills in results] == [96, 96]
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_sigterm_before_there_is_a_version_ends_it(tmp_path: Path) -> None:
    process = start(
        [sys.executable, "-m", "tfmlm", "serve", f"--model_base_path={tmp_path}"]
        + [f"--port={free_port()}", "--rest_api_port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    try:
        assert process.stderr is not None
        assert any("No versions of servable default found" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_too_many_requests_at_once_are_refused(slow_model: Path) -> None:
    with serving(model_base_path=str(slow_model), max_concurrent_requests=2) as address:
        outcomes: list[str] = []

        def call() -> None:
            with RestClient(address.model(), retries=0) as client:
                try:
                    client.fill([ONE_MASK] * 16)
                    outcomes.append("OK")
                except ServingError as error:
                    outcomes.append(error.code)

        threads = [threading.Thread(target=call) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(set(outcomes)) == ["OK", "UNAVAILABLE"]
        assert outcomes.count("OK") >= 2
        with RestClient(address.model()) as client:  # with retries it gets through
            assert len(client.fill(ONE_MASK)) == 5


def test_requests_end_at_the_servers_time_limit(slow_model: Path) -> None:
    options = {"enable_model_warmup": False, "rest_api_timeout_in_ms": 50}
    with serving(model_base_path=str(slow_model), **options) as address:
        texts = [ONE_MASK] * 60
        status, _, reply = ask(address, "POST", "/v1/models/mlm:predict", {"instances": texts})
        assert status == 504, reply
        with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
            GrpcClient(address.grpc, "mlm").fill(texts)
    # closing did not wait for ever, though the run may have gone on


def test_one_interface_and_a_socket(toy_versions: Path, tmp_path: Path) -> None:
    from tfmlm.serve.server import running

    socket_path = tmp_path / "grpc.sock"
    options = ServerOptions(
        port=0,
        rest_api_port=0,
        grpc_socket_path=str(socket_path),
        model_name="mlm",
        model_base_path=str(toy_versions),
        enable_serialization_as_tensor_content=True,
    )
    with running(options) as server, GrpcClient(f"unix:{socket_path}", "mlm") as client:
        assert server.addresses() == {"models": ["mlm"], "grpc_socket": str(socket_path)}
        assert len(client.fill(ONE_MASK)) == 5  # tensors as bytes


def test_a_port_in_use(toy_versions: Path) -> None:
    from tfmlm.serve.server import running

    with serving(model_base_path=str(toy_versions)) as address:
        rest = int(address.rest.rsplit(":", 1)[1])
        port = int(address.grpc.rsplit(":", 1)[1])
        for ports in ({"port": 0, "rest_api_port": rest}, {"port": port, "rest_api_port": 0}):
            options = ServerOptions(model_base_path=str(toy_versions), **ports)
            with pytest.raises(UserError, match="cannot listen on 127.0.0.1"), running(options):
                pass
    for used in (rest, port):  # stopped, it listens no more
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", used)):
            pass


def certificate(folder: Path) -> tuple[str, str]:
    """A key and a certificate of its own for `localhost`, made by openssl."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        + ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost"],
        check=True,
        capture_output=True,
    )
    return str(key), str(cert)


def test_tls(toy_versions: Path, tmp_path: Path) -> None:
    from google.protobuf import text_format

    from tfmlm.serve.config_files import SSLConfig

    key, cert = certificate(tmp_path)
    config = tmp_path / "ssl.config"
    message = SSLConfig(server_key=Path(key).read_text(), server_cert=Path(cert).read_text())
    config.write_text(text_format.MessageToString(message))
    with serving(model_base_path=str(toy_versions), ssl_config_file=str(config)) as address:
        tls = Tls(ca_file=cert, server_name="localhost")
        with GrpcClient(address.grpc, "mlm", tls=tls) as client:
            assert len(client.fill(ONE_MASK)) == 5
        with pytest.raises(ServingError, match="UNAVAILABLE"):
            GrpcClient(address.grpc, "mlm", retries=0).fill(ONE_MASK)
        with pytest.raises(ServingError, match="UNAVAILABLE"):
            GrpcClient(address.grpc, "mlm", tls=True, retries=0).fill(ONE_MASK)


async def tls_proxy(key: str, cert: str, port: int, target: int) -> asyncio.Server:
    """Ends TLS on `port` and passes bytes on to `target`, as a gateway before the server does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(
            pipe(reader, inner_writer), pipe(inner_reader, writer), return_exceptions=True
        )

    return await asyncio.start_server(handle, "127.0.0.1", port, ssl=context)


def test_https(toy_server: Address, tmp_path: Path) -> None:
    key, cert = certificate(tmp_path)
    port, target = free_port(), int(toy_server.rest.rsplit(":", 1)[1])
    url = f"https://127.0.0.1:{port}/v1/models/mlm"
    tls = Tls(ca_file=cert, server_name="localhost")

    async def go() -> None:
        async with await tls_proxy(key, cert, port, target):
            async with RestClient(url, tls=tls) as client:
                fills = await client.fill_async(ONE_MASK)
                assert fills == await asyncio.to_thread(client.fill, ONE_MASK)
                assert len(fills) == 5
            for wrong in (None, Tls(ca_file=cert)):  # an unknown authority; another name
                async with RestClient(url, tls=wrong, retries=0) as client:
                    with pytest.raises(ServingError, match="UNAVAILABLE.*(?i:certificate)"):
                        await client.fill_async(ONE_MASK)
                    with pytest.raises(ServingError, match="UNAVAILABLE.*(?i:certificate)"):
                        await asyncio.to_thread(client.fill, ONE_MASK)

    asyncio.run(go())


def test_the_model_config_file_is_read_again(toy_versions: Path, tmp_path: Path) -> None:
    config = tmp_path / "models.config"

    def write(*names: str) -> None:
        temporary = tmp_path / "new"
        entries = "".join(
            f'config {{ name: "{n}" base_path: "{toy_versions}" model_platform: "tensorflow" }}'
            for n in names
        )
        temporary.write_text(f"model_config_list {{ {entries} }}")
        temporary.rename(config)

    write("one")
    options = {"model_config_file": str(config), "model_config_file_poll_wait_seconds": 0.05}
    with serving(**options) as address:
        config.write_text("nonsense")
        time.sleep(0.2)
        assert RestClient(address.model("one")).status()[2] == "AVAILABLE"
        write("one", "two")
        RestClient(address.model("two")).wait_until_ready(20)


def test_grpc_channel_arguments(toy_versions: Path) -> None:
    arguments = "grpc.max_concurrent_streams=7,grpc.primary_user_agent=x"
    with (
        serving(model_base_path=str(toy_versions), grpc_channel_arguments=arguments) as address,
        grpc.insecure_channel(address.grpc) as channel,
    ):
        grpc.channel_ready_future(channel).result(10)
    with pytest.raises(UserError, match="KEY=VALUE"):
        serving(model_base_path=str(toy_versions), grpc_channel_arguments="x").__enter__()
