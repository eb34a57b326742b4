"""Loads `tfmlm serve` (or any TensorFlow Serving) from a second process, over gRPC and REST.

    python benchmarks/serving.py overhead                     the server against the bare session
    python benchmarks/serving.py closed --clients 1,8,32,64   each client waits for its answer
    python benchmarks/serving.py open --rates 0.5,0.8         requests come at random times
    python benchmarks/serving.py sweep                        values for batching.config
    python benchmarks/serving.py soak --minutes 10            hot swaps every 20 s, memory

Without --export_dir, a BERT of --layers x --hidden with random weights and a vocabulary of 30,522
is exported first (kept in --work_dir). Texts are prose of 5 to 60 words with a mask. All traffic is
on the loopback address and bounded in number and time. Where two settings are compared, their
servers are loaded in turns. Prints JSON lines, then the machine and the versions.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

VOCABULARY = 30_522
MAX_REQUESTS = 20_000  # of one measurement
SERVING = Path(__file__).parents[1] / "serving"


# ---------------------------------------------------------------- what is served


def make_export(folder: Path, layers: int, hidden: int) -> Path:
    """Exports a BERT with random weights to `folder/export/1`, once."""
    export = folder / f"export-{layers}x{hidden}"
    if (export / "1").is_dir():
        return export
    import tfmlm

    import tensorflow as tf  # isort: skip
    import transformers
    from tokenizers import BertWordPieceTokenizer

    from tfmlm.demo.corpus import python_documentation

    learner = BertWordPieceTokenizer()
    learner.train_from_iterator(python_documentation(), vocab_size=VOCABULARY, show_progress=False)
    words = sorted(learner.get_vocab(), key=learner.get_vocab().get)
    words += [f"[unused{i}]" for i in range(VOCABULARY - len(words))]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(words), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(str(vocabulary))
    tf.keras.utils.set_random_seed(0)
    model = transformers.TFBertForMaskedLM(
        transformers.BertConfig(
            vocab_size=VOCABULARY,
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=max(hidden // 32, 1),
            intermediate_size=4 * hidden,
        )
    )
    model.build_in_name_scope() if hasattr(model, "build_in_name_scope") else model(
        model.dummy_inputs
    )
    tfmlm.export_saved_model(model, tokenizer, export)
    return export


def make_texts(count: int, seed: int) -> list[str]:
    """Prose of 5 to 60 words, one of them masked."""
    from tfmlm.demo.corpus import python_documentation

    rng = random.Random(seed)
    words = " ".join(python_documentation()[:2000]).split()
    texts = []
    for _ in range(count):
        length = rng.randint(5, 60)
        start = rng.randrange(len(words) - length)
        chosen = words[start : start + length]
        chosen[rng.randrange(length)] = "[MASK]"
        texts.append(" ".join(chosen))
    return texts


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], found: dict[str, Any]) -> None:
        self.pid = process.pid
        self.grpc: str = found["grpc"]
        self.rest: str = found["rest"] + "/v1/models/mlm"

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextlib.contextmanager
def served(export: Path, *flags: str) -> Iterator[Served]:
    """Starts `tfmlm serve` on free ports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tfmlm", "serve", "--json", "--model_name=mlm"]
        + [f"--model_base_path={export}", f"--port={free_port()}", f"--rest_api_port={free_port()}"]
        + list(flags),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the server did not start")
        yield Served(process, json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


# ---------------------------------------------------------------- load


@contextlib.asynccontextmanager
async def client_of(server: Served, protocol: str) -> AsyncIterator[Any]:
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

    async def call(self, client: Any, text: str, due: float | None = None) -> None:
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
            "p50_ms": round(times[len(times) // 2], 2),
            "p99_ms": round(times[min(len(times) - 1, int(len(times) * 0.99))], 2),
        }


async def closed_loop(
    server: Served, protocol: str, clients: int, seconds: float, texts: list[str]
) -> Tally:
    """`clients` callers, each with one request at a time."""
    tally = Tally()
    async with client_of(server, protocol) as client:
        await asyncio.gather(*[client.fill_async(t) for t in texts[: min(clients, 8)]])
        end = time.perf_counter() + seconds

        async def caller(number: int) -> None:
            at = number
            while time.perf_counter() < end and len(tally.latencies) < MAX_REQUESTS:
                await tally.call(client, texts[at % len(texts)])
                at += clients

        started = time.perf_counter()
        await asyncio.gather(*[caller(n) for n in range(clients)])
        tally.seconds = time.perf_counter() - started
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
        started = due = time.perf_counter()
        while due < started + seconds and len(tasks) < MAX_REQUESTS:
            due += rng.expovariate(rate)
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            tasks.append(
                asyncio.create_task(tally.call(client, texts[len(tasks) % len(texts)], due))
            )
        await asyncio.gather(*tasks)
        tally.seconds = time.perf_counter() - started
    return tally


def show(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


# ---------------------------------------------------------------- measurements


def overhead(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """One client: the server's answers against the same session alone, in turns."""
    import tfmlm
    from tfmlm.client import GrpcClient, RestClient

    bare = tfmlm.load(export)
    names = ("score", "token", "token_str", "sequence", "mask_count", "status")
    with served(export) as server:
        grpc, rest = GrpcClient(server.grpc, "mlm"), RestClient(server.rest)
        calls = {
            "session": lambda t: bare.predict("serving_default", {"text": [t.encode()]}, names),
            "grpc": grpc.fill,
            "rest": rest.fill,
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for text in texts[:30]:
            for call in calls.values():
                call(text)
        end = time.perf_counter() + args.seconds * 3
        number = 0
        while time.perf_counter() < end and number < MAX_REQUESTS:
            text = texts[number % len(texts)]
            number += 1
            for name in random.sample(sorted(calls), len(calls)):
                time.sleep(0.01)  # threads of the one before have stopped spinning
                started = time.perf_counter()
                calls[name](text)
                times[name].append((time.perf_counter() - started) * 1e3)
        grpc.close()
        rest.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    show(
        what="overhead",
        requests=number,
        **{f"{name}_p50_ms": round(value, 2) for name, value in medians.items()},
        **{
            # of the differences, so that a slow moment hits both sides
            f"{name}_overhead_p50_ms": round(
                statistics.median(
                    a - b for a, b in zip(times[name], times["session"], strict=True)
                ),
                2,
            )
            for name in ("grpc", "rest")
        },
    )


def batching_flags(path: Path = SERVING / "config" / "batching.config") -> list[str]:
    return ["--enable_batching=true", f"--batching_parameters_file={path}"]


def closed(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Requests per second and latency by clients, protocol and batching."""
    with (
        served(export, f"--max_concurrent_requests={MAX_REQUESTS}") as off,
        served(export, f"--max_concurrent_requests={MAX_REQUESTS}", *batching_flags()) as on,
    ):
        for clients in args.clients:
            for protocol in args.protocols:
                rates: dict[str, float] = {}
                for turn in range(args.rounds):
                    for name, server in (("off", off), ("on", on)):
                        run = closed_loop(server, protocol, clients, args.seconds, texts)
                        figures = asyncio.run(run).figures()
                        rates[name] = rates.get(name, 0) + figures["requests_per_second"]
                        show(
                            what="closed",
                            protocol=protocol,
                            clients=clients,
                            batching=name,
                            round=turn,
                            **figures,
                        )
                ratio = round(rates["on"] / max(rates["off"], 1e-9), 2)
                show(what="ratio", protocol=protocol, clients=clients, batching_on_to_off=ratio)


def open_rates(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Latency at shares of the throughput that 32 clients reached."""
    with served(export, *batching_flags(), f"--max_concurrent_requests={MAX_REQUESTS}") as server:
        for protocol in args.protocols:
            full = asyncio.run(closed_loop(server, protocol, 32, args.seconds, texts)).figures()
            for share in args.rates:
                rate = full["requests_per_second"] * share
                run = open_loop(server, protocol, rate, args.seconds, texts)
                show(
                    what="open",
                    protocol=protocol,
                    share=share,
                    rate=round(rate, 1),
                    **asyncio.run(run).figures(),
                )


def sweep(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Throughput and latency of 32 clients by the values of batching.config."""
    settings = [
        (size, micros, threads)
        for size in (8, 16, 32, 64)
        for micros in (0, 1000, 5000)
        for threads in (1, 2)
    ]
    for size, micros, threads in settings:
        with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
            file.write(
                f"max_batch_size {{ value: {size} }} batch_timeout_micros {{ value: {micros} }} "
                f"max_enqueued_batches {{ value: 1000 }} num_batch_threads {{ value: {threads} }}"
            )
            file.flush()
            with served(export, *batching_flags(Path(file.name))) as server:
                for clients in (4, 32):
                    run = closed_loop(server, "grpc", clients, args.seconds, texts)
                    show(
                        what="sweep",
                        max_batch_size=size,
                        batch_timeout_micros=micros,
                        num_batch_threads=threads,
                        clients=clients,
                        **asyncio.run(run).figures(),
                    )


def soak(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Both protocols without a pause while versions are swapped; memory before each swap."""
    with tempfile.TemporaryDirectory(dir=args.work_dir) as folder:
        base = Path(folder)
        source = export / "1"

        def release(number: int) -> None:
            shutil.copytree(source, base / f".tmp-{number}", copy_function=os.link)
            (base / f".tmp-{number}").rename(base / str(number))

        release(1)
        with served(base, *batching_flags()) as server:

            async def load() -> list[Tally]:
                swapping = asyncio.create_task(swap())
                tallies = await asyncio.gather(
                    *[
                        closed_loop(server, protocol, 4, args.minutes * 60, texts)
                        for protocol in args.protocols
                    ]
                )
                await swapping
                return tallies

            async def swap() -> None:
                end = time.perf_counter() + args.minutes * 60
                number = 1
                while time.perf_counter() + args.swap_seconds < end:
                    await asyncio.sleep(args.swap_seconds)
                    number += 1
                    release(number)
                    if number > 2:
                        shutil.rmtree(base / str(number - 2))
                    show(what="swap", version=number, resident_mb=round(server.resident_mb(), 1))

            global MAX_REQUESTS
            MAX_REQUESTS = 10_000_000  # bounded by time here
            tallies = asyncio.run(load())
            for protocol, tally in zip(args.protocols, tallies, strict=True):
                show(what="soak", protocol=protocol, minutes=args.minutes, **tally.figures())
            show(what="soak_end", resident_mb=round(server.resident_mb(), 1))


def machine() -> dict[str, Any]:
    model = platform.machine()
    with contextlib.suppress(OSError, IndexError):
        cpu = Path("/proc/cpuinfo").read_text().split("model name")[1]
        model = cpu.split(":")[1].split("\n")[0].strip()
    commit = subprocess.run(
        ["git", "-C", str(SERVING.parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
    ).stdout.strip()
    packages = ("tensorflow", "tensorflow-text", "grpcio", "aiohttp")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "commit": commit,
        **{name: version(name) for name in packages},
    }


def main() -> None:
    def listed(kind: Any) -> Any:
        return lambda text: [kind(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    measurements = {
        "overhead": overhead,
        "closed": closed,
        "open": open_rates,
        "sweep": sweep,
        "soak": soak,
    }
    parser.add_argument("what", choices=sorted(measurements))
    parser.add_argument("--export_dir", type=Path, help="serve this instead of a random model")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--work_dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--seconds", type=float, default=8.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each setting")
    parser.add_argument("--clients", type=listed(int), default=[1, 8, 32, 64])
    parser.add_argument("--protocols", type=listed(str), default=["grpc", "rest"])
    parser.add_argument("--rates", type=listed(float), default=[0.5, 0.8])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--swap_seconds", type=float, default=20.0)
    args = parser.parse_args()
    where = machine()
    export = args.export_dir or make_export(args.work_dir, args.layers, args.hidden)
    measurements[args.what](export, args, make_texts(500, seed=1))
    show(what="machine", **where)


if __name__ == "__main__":
    main()
