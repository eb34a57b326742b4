"""What a user with a GPU is asked to paste: tried here with tiny models, on the CPU."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.processes import run

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu_check.py"


@pytest.fixture(scope="module")
def report() -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = run(
        [sys.executable, str(SCRIPT), "--tiny"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def section(report: str, heading: str) -> str:
    return report.split(f"## {heading}")[1].split("\n## ")[0]


def test_environment_has_every_fact_of_doctor(report: str) -> None:
    facts = re.findall(r"^- (.+?): ", section(report, "Environment"), re.MULTILINE)
    for fact in ("Python", "tensorflow", "tf.keras", "processor", "GPU", "XLA_FLAGS", "TF Serving"):
        assert fact in facts


def test_each_model_has_a_row_for_each_variant(report: str) -> None:
    table = section(report, "Training steps")
    row = r"\| (.+?) \| 2 × 16 \| (\w+) \| (yes|no) \| [\d.]+ ms \| [\d,]+ \| [\d.]+% \| [\d.]+ GB"
    found = re.findall(row, table)
    first, second = ("float32", "no"), ("bfloat16", "yes")
    recipe = ("bert, the guide's recipe", *first)
    assert found == [
        ("bert", *first),
        ("bert", *second),
        recipe,
        ("modernbert", *first),
        ("modernbert", *second),
    ], table


def test_weights_are_equal_on_one_device_by_accumulation_and_on_two(report: str) -> None:
    found = re.findall(r"^- (.+): (\S+) from one", section(report, "Equal weights"), re.MULTILINE)
    assert [name for name, _ in found] == ["accumulation", "two devices"]
    assert all(float(difference) < 1e-5 for _, difference in found), found


def test_serving_and_the_longest_text_have_figures(report: str) -> None:
    assert re.findall(r"^- (\d+): [\d.]+ ms", section(report, "Filling masks"), re.M) == ["1", "2"]
    longest = section(report, "The longest text")
    assert re.findall(r"^- ([\d,]+) tokens: [\d.]+ s, ", longest, re.M) == ["128"]


def test_without_a_gpu_it_says_how_to_try_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = run([sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("TensorFlow sees no GPU; `--tiny`")
