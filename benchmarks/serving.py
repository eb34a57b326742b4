"""Loads `tfmlm serve` (or any TensorFlow Serving) from a second process, over gRPC and REST.

    python benchmarks/serving.py overhead                     the server against the bare session
    python benchmarks/serving.py closed --clients 1,8,32,64   each client waits for its answer
    python benchmarks/serving.py open --rates 25,50,100,200   requests come at random times
    python benchmarks/serving.py sweep                        values for batching.config
    python benchmarks/serving.py soak --minutes 10            hot swaps every 20 s, memory

Without --export_dir, a BERT of --layers x --hidden with random weights and a vocabulary of 30,522
is exported first (kept in --work_dir). Texts are prose of 5 to 60 words with a mask. All traffic is
on the loopback address and bounded in number and time. Where two settings are compared, their
servers are loaded in turns. Without batching, a request is a run of its own and several run at a
time, as in TensorFlow Serving. The load comes from this one process; it and the server share the
machine's processors. Prints JSON lines, then the machine and the versions.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from serving_load import MAX_REQUESTS, Served, Tally, closed_loop, open_loop, served

VOCABULARY = 30_522
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
    model.build_in_name_scope()
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


def show(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


# ---------------------------------------------------------------- measurements


def overhead(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """One client: the server's answers against the same session alone, in turns."""
    import tfmlm
    from tfmlm.client import GrpcClient, RestClient

    bare = tfmlm.load(export)
    names = ("score", "token", "token_str", "sequence", "mask_count", "status")
    with served(export, *args.server_flags) as server:
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


@contextlib.contextmanager
def without_and_with_batching(export: Path, flags: list[str]) -> Iterator[dict[str, Served]]:
    with served(export, *flags) as off, served(export, *flags, *batching_flags()) as on:
        yield {"off": off, "on": on}


def closed(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Requests per second and latency by clients, protocol and batching."""
    with without_and_with_batching(export, args.server_flags) as servers:
        for clients, protocol in itertools.product(args.clients, args.protocols):
            rates = dict.fromkeys(servers, 0.0)
            for turn in range(args.rounds):
                for name, server in servers.items():
                    run = closed_loop(server, protocol, clients, args.seconds, texts)
                    figures = asyncio.run(run).figures()
                    rates[name] += figures["requests_per_second"]
                    setting = {"protocol": protocol, "clients": clients, "batching": name}
                    show(what="closed", **setting, round=turn, **figures)
            ratio = round(rates["on"] / max(rates["off"], 1e-9), 2)
            show(what="ratio", protocol=protocol, clients=clients, batching_on_to_off=ratio)


def open_rates(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Latency at given rates, up to nine tenths of what 32 clients reached."""
    with without_and_with_batching(export, args.server_flags) as servers:
        for protocol, (name, server) in itertools.product(args.protocols, servers.items()):
            full = asyncio.run(closed_loop(server, protocol, 32, args.seconds, texts)).figures()
            setting = {"protocol": protocol, "batching": name}
            show(what="most", **setting, **full)
            for rate in args.rates:
                if rate > 0.9 * full["requests_per_second"]:
                    continue  # requests would only queue up
                run = open_loop(server, protocol, rate, args.seconds, texts)
                show(what="open", **setting, rate=rate, **asyncio.run(run).figures())


def sweep(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Throughput and latency over gRPC by the values of batching.config, one server a setting."""

    def measure(flags: list[str], **setting: Any) -> None:
        with served(export, *flags, *args.server_flags) as server:
            for clients in args.clients:
                run = closed_loop(server, "grpc", clients, args.seconds, texts)
                show(what="sweep", **setting, clients=clients, **asyncio.run(run).figures())

    if not args.without_baseline:
        measure([], batching="off")
    for size, micros, threads in itertools.product(args.sizes, args.micros, args.threads):
        with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
            file.write(
                "max_batch_size { value: 1024 } enable_large_batch_splitting { value: true } "
                f"max_execution_batch_size {{ value: {size} }} "
                f"batch_timeout_micros {{ value: {micros} }} "
                f"max_enqueued_batches {{ value: 1000 }} num_batch_threads {{ value: {threads} }}"
            )
            file.flush()
            measure(
                batching_flags(Path(file.name)),
                max_execution_batch_size=size,
                batch_timeout_micros=micros,
                num_batch_threads=threads,
            )


def soak(export: Path, args: argparse.Namespace, texts: list[str]) -> None:
    """Both protocols without a pause while versions are swapped.

    Before each swap: memory of the server, its least and most since the swap before, and whether
    that swap is over, that is one version in memory, not two.
    """
    from tfmlm.client import RestClient

    resident: list[float] = []
    settled: list[float] = []
    with tempfile.TemporaryDirectory(dir=args.work_dir) as folder:
        base = Path(folder)
        source = export / "1"

        def release(number: int) -> None:
            shutil.copytree(source, base / f".tmp-{number}", copy_function=os.link)
            (base / f".tmp-{number}").rename(base / str(number))

        release(1)
        with served(base, *batching_flags(), *args.server_flags) as server:

            async def load() -> list[Tally]:
                watching = asyncio.create_task(watch())
                swapping = asyncio.create_task(swap())
                most = int(args.minutes * 60 * MAX_REQUESTS)
                tallies = await asyncio.gather(
                    *[
                        closed_loop(server, protocol, 4, args.minutes * 60, texts, most)
                        for protocol in args.protocols
                    ]
                )
                await swapping
                watching.cancel()
                return tallies

            async def watch() -> None:
                while True:
                    resident.append(round(server.resident_mb(), 1))
                    await asyncio.sleep(0.5)

            async def swap() -> None:
                end = time.perf_counter() + args.minutes * 60
                number, since = 1, 0
                while time.perf_counter() + args.swap_seconds < end:
                    await asyncio.sleep(args.swap_seconds)
                    states = await asyncio.to_thread(status.status)
                    over = [state for state in states.values() if state != "END"] == ["AVAILABLE"]
                    over = over and states.get(number) == "AVAILABLE"
                    now, seen = resident[-1], resident[since:]
                    since = len(resident)
                    if over:
                        settled.append(now)
                    number += 1
                    release(number)
                    if number > 2:
                        shutil.rmtree(base / str(number - 2))
                    figures = {"resident_mb": now, "least": min(seen), "most": max(seen)}
                    show(what="swap", version=number, **figures, last_swap_is_over=over)

            with RestClient(server.rest) as status:
                tallies = asyncio.run(load())
            for protocol, tally in zip(args.protocols, tallies, strict=True):
                show(what="soak", protocol=protocol, minutes=args.minutes, **tally.figures())
    half = len(settled) // 2
    show(
        what="memory",
        swaps_that_were_over=len(settled),
        resident_mb_first_half=round(statistics.mean(settled[:half] or [0.0]), 1),
        resident_mb_second_half=round(statistics.mean(settled[half:] or [0.0]), 1),
        resident_mb_most=max(resident),
    )


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
    parser.add_argument("--clients", type=listed(int), default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--protocols", type=listed(str), default=["grpc", "rest"])
    parser.add_argument("--rates", type=listed(float), default=[25, 50, 100, 150, 200, 250])
    parser.add_argument("--sizes", type=listed(int), default=[4, 8, 16, 32], help="of sweep")
    parser.add_argument("--micros", type=listed(int), default=[0, 1000, 5000], help="of sweep")
    parser.add_argument("--threads", type=listed(int), default=[1, 2], help="of sweep")
    parser.add_argument(
        "--without_baseline", action="store_true", help="sweep without batching off"
    )
    parser.add_argument(
        "--server_flags", type=str.split, default=[], help="given to every server, in one string"
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--swap_seconds", type=float, default=20.0)
    args = parser.parse_args()
    where = machine()
    args.work_dir.mkdir(parents=True, exist_ok=True)
    export = args.export_dir or make_export(args.work_dir, args.layers, args.hidden)
    measurements[args.what](export, args, make_texts(500, seed=1))
    show(what="machine", **where)


if __name__ == "__main__":
    main()
