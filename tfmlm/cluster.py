"""The workers of a run: read from TF_CONFIG or Slurm, waited for with a limit, named if missing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tfmlm.errors import RunFailedError, UserError

SLURM_PORT = 15_000
_RETRY_SECONDS = 0.5
#: Jobs whose processes train.
_JOBS = ("chief", "worker")
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """Workers in the order of their numbers.

    Attributes:
        jobs: addresses `host:port` by job (`chief`, `worker`).
        job: this process' job.
        index: this process' number in its job.
    """

    jobs: dict[str, tuple[str, ...]]
    job: str
    index: int

    @property
    def size(self) -> int:
        """Number of processes."""
        return sum(len(addresses) for addresses in self.jobs.values())

    def named_addresses(self) -> dict[str, str]:
        """`worker 1` → `host:port` for all processes."""
        return {
            f"{job} {index}": address
            for job in sorted(self.jobs)
            for index, address in enumerate(self.jobs[job])
        }

    @property
    def is_chief(self) -> bool:
        """Whether this process saves: the chief, or worker 0 of a cluster without one."""
        return self.job == "chief" or ("chief" not in self.jobs and self.index == 0)

    @property
    def me(self) -> str:
        """This process' name in `named_addresses`."""
        return f"{self.job} {self.index}"

    def to_tf_config(self) -> dict[str, Any]:
        """The content of TF_CONFIG."""
        return {
            "cluster": {job: list(addresses) for job, addresses in self.jobs.items()},
            "task": {"type": self.job, "index": self.index},
        }


def cluster_from_environment() -> Cluster | None:
    """The cluster that TF_CONFIG describes, else that of the Slurm step, else None.

    Raises:
        UserError: TF_CONFIG is broken.
    """
    text = os.environ.get("TF_CONFIG")
    if text:
        return parse_tf_config(text)
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks > 1 and {"SLURM_PROCID", "SLURM_STEP_NODELIST"} <= os.environ.keys():
        return slurm_cluster(os.environ)
    return None


def saves_here() -> bool:
    """Whether this process saves: alone, the chief, or worker 0 of a cluster without one.

    Other jobs that TensorFlow knows, such as `ps` and `evaluator`, do not.

    Raises:
        UserError: TF_CONFIG is broken.
    """
    task = _task(os.environ.get("TF_CONFIG") or "{}")
    if task is not None and task[1] not in _JOBS:
        return False
    cluster = cluster_from_environment()
    return cluster is None or cluster.is_chief


def parse_tf_config(text: str) -> Cluster | None:
    """Parses TF_CONFIG's JSON; None if it names no cluster.

    Raises:
        UserError: it is no JSON, or lacks something; the message says what.
    """
    task = _task(text)
    if task is None:
        return None
    jobs, job, index = task
    jobs = {name: addresses for name, addresses in jobs.items() if name in _JOBS}
    for address in (address for addresses in jobs.values() for address in addresses):
        if not re.fullmatch(r"[^\s:]+:\d+|\[[0-9a-fA-F:]+\]:\d+", str(address)):
            raise UserError(f"TF_CONFIG: address {address!r} is not host:port")
    if job not in jobs or not 0 <= index < len(jobs[job]):
        raise UserError(
            f"TF_CONFIG: task {job} {index} is not in its cluster; it should look like {_EXAMPLE}"
        )
    return Cluster(jobs, job, index)


def _task(text: str) -> tuple[dict[str, tuple[str, ...]], str, int] | None:
    """Addresses by job, this process' job and its number; None if TF_CONFIG names no cluster.

    Raises:
        UserError: it is no JSON, or lacks something.
    """
    try:
        config = json.loads(text)
        if not config.get("cluster"):
            return None
        jobs = {job: tuple(config["cluster"][job]) for job in config["cluster"]}
        task = config["task"]
        return jobs, str(task["type"]), int(task["index"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise UserError(f"TF_CONFIG is not understood; it should look like {_EXAMPLE}") from None


def slurm_cluster(environment: Any) -> Cluster:
    """The cluster of a Slurm step: one worker a task, ports counted up on each node.

    Variables: SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE (such as `2(x3),1`), SLURM_PROCID;
    TFMLM_SLURM_PORT changes the first port.

    Raises:
        UserError: the variables do not agree.
    """
    hosts = expand_hostlist(environment["SLURM_STEP_NODELIST"])
    tasks = _expand_tasks(
        environment.get("SLURM_STEP_TASKS_PER_NODE")
        or environment.get("SLURM_TASKS_PER_NODE")
        or "1"
    )
    if len(tasks) < len(hosts):
        tasks += [tasks[-1]] * (len(hosts) - len(tasks))
    first_port = int(environment.get("TFMLM_SLURM_PORT", SLURM_PORT))
    addresses = tuple(
        f"{host}:{first_port + number}"
        for host, count in zip(hosts, tasks, strict=False)
        for number in range(count)
    )
    index = int(environment["SLURM_PROCID"])
    if index >= len(addresses):
        raise UserError(
            f"Slurm: task {index} is not among the {len(addresses)} tasks on "
            f"{environment['SLURM_STEP_NODELIST']}"
        )
    return Cluster({"worker": addresses}, "worker", index)


def expand_hostlist(text: str) -> list[str]:
    """`n[1-3,07],gpu` → n1 n2 n3 n07 gpu (Slurm's notation)."""
    hosts: list[str] = []
    for part in re.findall(r"[^,\[\]]*(?:\[[^\]]*\][^,\[\]]*)*", text):
        if part:
            hosts.extend(_expand_host(part))
    return hosts


def _expand_host(part: str) -> list[str]:
    match = re.search(r"\[([^\]]*)\]", part)
    if not match:
        return [part]
    before, after = part[: match.start()], part[match.end() :]
    names = []
    for item in match.group(1).split(","):
        low, _, high = item.partition("-")
        for number in range(int(low), int(high or low) + 1):
            names.extend(_expand_host(f"{before}{number:0{len(low)}d}{after}"))
    return names


def _expand_tasks(text: str) -> list[int]:
    counts = []
    for item in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", item.strip())
        if not match:
            raise UserError(f"Slurm: tasks per node {text!r} are not understood")
        counts.extend([int(match.group(1))] * int(match.group(2) or 1))
    return counts


def wait_for_workers(cluster: Cluster, timeout: float) -> None:
    """Returns when every worker listens at its address; this one listens meanwhile.

    Raises:
        UserError: this worker's own port is taken.
        RunFailedError: after `timeout` seconds, naming who is missing and where it was expected.
    """
    missing = dict(cluster.named_addresses())
    with _listening(missing.pop(cluster.me), cluster.me):
        deadline = time.monotonic() + timeout
        told = False
        while missing:
            for name in list(missing):
                if _answers(missing[name]):
                    del missing[name]
            if not missing:
                # Others may need a last look at this socket before TensorFlow takes it over.
                time.sleep(2 * _RETRY_SECONDS)
                return
            if time.monotonic() > deadline:
                raise RunFailedError(
                    f"{_named(missing)} did not come within {timeout:g} s; start "
                    "it, or check the address and the firewall (worker_timeout sets the limit)"
                )
            if not told:
                print(f"Waiting for {_named(missing)} …", file=sys.stderr, flush=True)
                told = True
            time.sleep(_RETRY_SECONDS)


@contextlib.contextmanager
def connection_watchdog(cluster: Cluster, timeout: float) -> Iterator[None]:
    """Ends the process if the block, which TensorFlow does not limit, takes over `timeout` s.

    TensorFlow waits for ever inside native code for a worker that vanished while connecting.
    """
    done = threading.Event()

    def watch() -> None:
        if done.wait(timeout):
            return
        others = {n: a for n, a in cluster.named_addresses().items() if n != cluster.me}
        silent = {name: address for name, address in others.items() if not _answers(address)}
        print(
            f"tfmlm: error: {_named(silent or others)} did not connect within {timeout:g} s; "
            "start all workers again",
            file=sys.stderr,
            flush=True,
        )
        os._exit(RunFailedError.exit_code)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def unreachable_workers(jobs: dict[str, list[str]], mine: int) -> str:
    """Names and addresses of the workers that do not answer, but for number `mine`."""
    cluster = Cluster({job: tuple(addresses) for job, addresses in jobs.items()}, "", 0)
    others = [item for n, item in enumerate(cluster.named_addresses().items()) if n != mine]
    return _named({name: address for name, address in others if not _answers(address)})


def _named(addresses: dict[str, str]) -> str:
    return ", ".join(f"{name} ({address})" for name, address in addresses.items())


def _split_address(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def _answers(address: str) -> bool:
    try:
        with socket.create_connection(_split_address(address), timeout=2):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _listening(address: str, name: str) -> Iterator[None]:
    """Accepts and drops connections at `address`'s port."""
    _, port = _split_address(address)
    try:
        server = socket.create_server(("", port), backlog=64)
    except OSError as error:
        raise UserError(
            f"{name} cannot listen at {address}: {error.strerror}; choose another port in TF_CONFIG"
        ) from None
    stop = threading.Event()

    def serve() -> None:
        server.settimeout(0.2)
        while not stop.is_set():
            with contextlib.suppress(OSError):
                server.accept()[0].close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        server.close()
