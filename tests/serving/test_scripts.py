"""smoke.py and release.py against a running server that uses the shipped configuration."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.serve import toy_model
from tests.serve.fixtures import ONE_MASK, Address, serving
from tests.serve.test_manager import until
from tfmlm.client import RestClient, ServingError

SERVING = Path(__file__).parents[2] / "serving"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SERVING / script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_smoke_passes_on_a_good_server(toy_server: Address) -> None:
    done = run("smoke.py", toy_server.model() + "/labels/stable", "--grpc", toy_server.grpc)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 9 and all(line.startswith("ok      ") for line in lines)


def test_smoke_fails_on_a_bad_one(toy_server: Address) -> None:
    done = run("smoke.py", toy_server.model("nothing"))
    assert done.returncode == 1
    assert "FAILED  status says available: HTTP 404" in done.stdout
    done = run("smoke.py", "http://127.0.0.1:1/v1/models/mlm")
    assert done.returncode == 1 and "no answer" in done.stdout
    assert run("smoke.py", "127.0.0.1:1").returncode == 2


@pytest.fixture
def deployed(tmp_path: Path, toy_versions: Path) -> Any:
    """A server with the files of serving/config, and the path of its models.config."""
    base = tmp_path / "mlm"
    base.mkdir()
    toy_model.copy_version(toy_versions / "1", base, 1)
    toy_model.copy_version(toy_versions / "2", base, 2)
    config = tmp_path / "models.config"
    text = (SERVING / "config" / "models.config").read_text()
    config.write_text(text.replace("/models/mlm", str(base)))
    with serving(
        model_config_file=str(config),
        model_config_file_poll_wait_seconds=0.05,
        enable_batching=True,
        batching_parameters_file=str(SERVING / "config" / "batching.config"),
        monitoring_config_file=str(SERVING / "config" / "monitoring.config"),
    ) as address:
        yield address, config


def top(address: Address, label: str) -> str:
    with RestClient(f"{address.model()}/labels/{label}") as client:
        return client.fill(ONE_MASK, top_k=1)[0].token_str


def test_canary_promotion_and_rollback(deployed: Any, reference: Any) -> None:
    address, config = deployed
    old, new = (
        reference(v, "serving_default", text=[ONE_MASK])["token_str"][0, 0, 0].decode()
        for v in (1, 2)
    )
    assert old != new
    stop, failures = threading.Event(), []

    def traffic() -> None:
        with RestClient(f"{address.model()}/labels/stable", retries=0) as client:
            while not stop.is_set():
                try:
                    assert client.fill(ONE_MASK, top_k=1)[0].token_str in (old, new)
                except Exception as error:
                    failures.append(error)

    thread = threading.Thread(target=traffic)
    thread.start()

    def release(*arguments: str) -> str:
        done = run("release.py", str(config), *arguments, "--url", address.model(), "--wait", "20")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        assert top(address, "stable") == old
        assert release("show") == "mlm: versions [1], labels stable=1"
        assert release("canary", "2") == "mlm: versions [1, 2], labels canary=2, stable=1"
        until(lambda: "canary" in address.server.manager.labels("mlm"))
        assert (top(address, "canary"), top(address, "stable")) == (new, old)
        assert release("promote") == "mlm: versions [1, 2], labels previous=1, stable=2"
        until(lambda: top(address, "stable") == new)
        assert top(address, "previous") == old
        assert release("rollback") == "mlm: versions [1, 2], labels stable=1"
        until(lambda: top(address, "stable") == old)
        release("canary", "2")
        assert release("rollback") == "mlm: versions [1, 2], labels stable=1"
        assert release("prune") == "mlm: versions [1], labels stable=1"
        until(lambda: RestClient(address.model()).status()[2] == "END")
        with pytest.raises(ServingError, match="Unrecognized servable version label: canary"):
            top(address, "canary")
    finally:
        stop.set()
        thread.join()
    assert not failures


def test_wrong_steps_change_nothing(deployed: Any) -> None:
    _, config = deployed
    before = config.read_bytes()
    for arguments, message in (
        (["promote"], "there is no canary to promote"),
        (["rollback"], "there is no version to go back to"),
        (["canary"], "needs the number of a version"),
        (["canary", "2", "--model", "other"], "choose one model with --model: mlm"),
    ):
        done = run("release.py", str(config), *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    assert config.read_bytes() == before
    done = run("release.py", str(config.parent / "none"), "show")
    assert done.returncode == 2 and "No such file" in done.stderr


def test_a_version_that_does_not_load_is_reported(deployed: Any) -> None:
    address, config = deployed
    done = run("release.py", str(config), "canary", "7", "--url", address.model(), "--wait", "1")
    assert done.returncode == 2 and "did not load [1, 7]" in done.stderr
    assert top(address, "stable")


def test_targets_of_different_numbers_share_batches(deployed: Any) -> None:
    """pad_variable_length_inputs of batching.config: no request fails for its neighbours."""
    from concurrent.futures import ThreadPoolExecutor

    address, _ = deployed
    words = ["city", "soul", "heart", "north", "name"]
    with RestClient(address.model()) as client, ThreadPoolExecutor(12) as pool:
        jobs = [words[: 1 + i % 5] for i in range(60)]
        answers = list(pool.map(lambda targets: client.fill(ONE_MASK, targets=targets), jobs))
        single = [client.fill(ONE_MASK, targets=targets) for targets in jobs]
    for targets, got, want in zip(jobs, answers, single, strict=True):
        assert {fill.token_str for fill in got} == set(targets)
        assert got == want


def test_release_says_what_it_needs() -> None:
    """A Python without packages, as on a machine that only releases."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SERVING / "release.py"), "models.config", "show"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install tensorflow-serving-api" in line
