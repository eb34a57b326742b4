"""Servers in processes of their own, and clients that load them; used by `serving.py`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

#: Most requests of one measurement.
MAX_REQUESTS = 20_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A server in a process of its own."""

    def __init__(self, pid: int, found: dict[str, Any]) -> None:
        self.pid = pid
        self.grpc: str = found["grpc"]
        self.rest: str = found["rest"] + "/v1/models/mlm"

    def resident_mb(self) -> float:
        """Memory of the process now, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Processor time of all threads since the start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def served(export: Path, *flags: str) -> Iterator[Served]:
    """Starts `tfmlm serve` on free ports; stops it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tfmlm", "serve", "--json", "--model_name=mlm"]
        + [f"--model_base_path={export}", f"--port={free_port()}", f"--rest_api_port={free_port()}"]
        + [f"--max_concurrent_requests={MAX_REQUESTS}"]
        + list(flags),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the server did not start")
        yield Served(process.pid, json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.asynccontextmanager
async def client_of(server: Served, protocol: str) -> AsyncIterator[Any]:
    """A client that tries nothing twice, so that every failure counts."""
    from tfmlm.client import GrpcClient, RestClient

    options: dict[str, Any] = {"retries": 0, "timeout": 60.0}
    client: Any = (
        GrpcClient(server.grpc, "mlm", **options)
        if protocol == "grpc"
        else RestClient(server.rest, **options)
    )
    async with client:
        yield client


class Tally:
    """Latencies in milliseconds and errors of one measurement."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.errors: dict[str, int] = {}
        self.seconds = 0.0
        self.cpus = 0.0

    @contextlib.contextmanager
    def timed(self, server: Served) -> Iterator[None]:
        """Measures the time of what is inside, and the processors that the server keeps busy."""
        started, cpu = time.perf_counter(), server.cpu_seconds()
        yield
        self.seconds = time.perf_counter() - started
        self.cpus = (server.cpu_seconds() - cpu) / self.seconds

    async def call(self, client: Any, text: str, due: float | None = None) -> None:
        """One request; its latency counts from `due` if that is given."""
        started = time.perf_counter() if due is None else due
        try:
            await client.fill_async(text)
            self.latencies.append((time.perf_counter() - started) * 1e3)
        except Exception as error:
            name = getattr(error, "code", type(error).__name__)
            self.errors[name] = self.errors.get(name, 0) + 1

    def figures(self) -> dict[str, Any]:
        times = sorted(self.latencies) or [float("nan")]
        return {
            "requests": len(self.latencies),
            "errors": self.errors,
            "requests_per_second": round(len(self.latencies) / max(self.seconds, 1e-9), 1),
            "p50_ms": round(statistics.median(times), 2),
            "p99_ms": round(times[min(len(times) - 1, int(len(times) * 0.99))], 2),
            "server_cpus": round(self.cpus, 2),
        }


async def closed_loop(
    server: Served,
    protocol: str,
    clients: int,
    seconds: float,
    texts: list[str],
    most: int = MAX_REQUESTS,
) -> Tally:
    """`clients` callers, each with one request at a time."""
    tally = Tally()
    async with client_of(server, protocol) as client:
        await asyncio.gather(*[client.fill_async(t) for t in texts[: min(clients, 8)]])
        end = time.perf_counter() + seconds

        async def caller(number: int) -> None:
            at = number
            while time.perf_counter() < end and len(tally.latencies) < most:
                await tally.call(client, texts[at % len(texts)])
                at += clients

        with tally.timed(server):
            await asyncio.gather(*[caller(n) for n in range(clients)])
    return tally


async def open_loop(
    server: Served, protocol: str, rate: float, seconds: float, texts: list[str]
) -> Tally:
    """Requests at random times, `rate` a second on average; latency counts from their due times."""
    tally = Tally()
    rng = random.Random(0)
    async with client_of(server, protocol) as client:
        await client.fill_async(texts[0])
        tasks: list[asyncio.Task[None]] = []
        with tally.timed(server):
            started = due = time.perf_counter()
            while (due := due + rng.expovariate(rate)) < started + seconds:
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                text = texts[len(tasks) % len(texts)]
                tasks.append(asyncio.create_task(tally.call(client, text, due)))
                if len(tasks) == MAX_REQUESTS:
                    break
            await asyncio.gather(*tasks)
    return tally
