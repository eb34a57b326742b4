"""The facts of this machine, and what is said where something is missing."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfmlm import doctor


@pytest.fixture(scope="module")
def facts() -> dict[str, doctor.Fact]:
    return {fact.name: fact for fact in doctor.examine()}


def test_every_required_package_is_looked_at(facts: dict[str, doctor.Fact]) -> None:
    for name in ("tensorflow", "tf-keras", "transformers", "tokenizers", "pyarrow"):
        assert facts[name].status == "ok"
        assert facts[name].value == importlib.metadata.version(name)
    assert "pytest" not in facts  # an extra's


def test_keras_2_is_in_use(facts: dict[str, doctor.Fact]) -> None:
    assert facts["tf.keras"].status == "ok" and facts["tf.keras"].value.startswith("tf_keras 2.")


def test_keras_3_is_a_problem() -> None:
    """In a process where TensorFlow had settled on Keras 3 before tfmlm came."""
    code = (
        "import tensorflow as tf; tf.keras.Model\n"
        "from tfmlm.doctor import keras\n"
        "(fact,) = keras(); print(fact.status, fact.value, fact.remedy)"
    )
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stdout.startswith("problem keras 3."), done.stdout + done.stderr
    assert "import tfmlm before tensorflow" in done.stdout


def test_nothing_here_is_a_problem(facts: dict[str, doctor.Fact]) -> None:
    assert [fact for fact in facts.values() if fact.status == "problem"] == []


def test_the_processor_is_the_kernels_word(facts: dict[str, doctor.Fact]) -> None:
    cores = len(os.sched_getaffinity(0))
    assert f"{cores} of {os.cpu_count()} cores" in facts["processor"].value
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    for name, (needed, _) in doctor.NUMBER_TYPES.items():
        has = any(f" {flag}" in flags for flag in needed)
        assert (facts[f"{name} on the CPU"].status == "ok") is has


def test_a_wrong_version_names_the_range_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "tfmlm-0.dist-info"
    info.mkdir()
    requirements = ("numpy<1", "no-such-package-anywhere>=3", "pytest>=99; extra == 'test'")
    lines = ["Metadata-Version: 2.1", "Name: tfmlm", "Version: 0"]
    lines += [f"Requires-Dist: {line}" for line in requirements]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    _, numpy, absent = doctor.packages()
    assert numpy.status == "problem" and "tested with <1" in numpy.value
    assert numpy.remedy == "pip install 'numpy<1'"
    assert absent == doctor.Fact(
        "no-such-package-anywhere",
        "problem",
        "not installed",
        "pip install 'no-such-package-anywhere>=3'",
    )


def test_cache_folders_follow_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not" / "made"))
    own, hub = doctor.caches()
    assert own.value.startswith(str(tmp_path / "not" / "made" / "tfmlm"))
    assert "GB free" in own.value and hub.name == "the Hub's cache"


def test_cuda_tools_are_looked_for_where_xla_is_told(tmp_path: Path) -> None:
    assert doctor._cuda_folder(f"--a --xla_gpu_cuda_data_dir={tmp_path} --b") == tmp_path
