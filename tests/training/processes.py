"""Starts Python processes of the tests, alone or as workers of one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests import processes
from tests.training.small import free_ports

ROOT = Path(__file__).parents[2]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a test process: no GPU, no Hub, no cluster but the one given."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("TF_CONFIG", "SLURM_"))}
    fixed = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    return {**keep, **fixed, **extra}


def start(arguments: list[str], **extra: str) -> subprocess.Popen:
    """Starts `python ARGUMENTS`, its output kept together."""
    return processes.start(
        [sys.executable, *arguments],
        env=environment(**extra),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen, timeout: float = 240) -> tuple[int, str]:
    """Waits for a process; returns its exit code and output."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"process still runs after {timeout} s:\n{output}") from None
    return process.returncode, output


def tf_configs(count: int) -> list[str]:
    """TF_CONFIG for each of `count` workers on loopback."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(count)]
    return [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        for index in range(count)
    ]
