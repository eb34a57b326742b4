"""Memory of versions that are unloaded comes back."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from tests.serve import toy_model
from tests.serve.fixtures import ONE_MASK, free_port
from tests.serve.test_manager import until
from tests.serve.test_server import start_process
from tfmlm.client import RestClient
from tfmlm.serve.manager import ModelManager
from tfmlm.serve.model_config import single_model_config
from tfmlm.serve.servable import Servable

BALLAST_MIB = 48


@pytest.fixture(scope="module")
def heavy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model that holds `BALLAST_MIB` of weights."""
    folder = tmp_path_factory.mktemp("heavy")
    return toy_model.save(folder, 1, ballast_mib=BALLAST_MIB)


def link_version(source: Path, base: Path, version: int) -> None:
    temporary = base / f".tmp-{version}"
    shutil.copytree(source, temporary, copy_function=os.link)
    temporary.rename(base / str(version))


def resident_mib(process: subprocess.Popen[str]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def test_swaps_do_not_add_up(heavy_model: Path, tmp_path: Path) -> None:
    base = tmp_path / "models"
    base.mkdir()
    link_version(heavy_model, base, 1)
    process, found = start_process(
        "--model_name=mlm",
        f"--model_base_path={base}",
        "--port=0",
        f"--rest_api_port={free_port()}",
        "--file_system_poll_wait_seconds=0.05",
    )
    resident = []
    try:
        with RestClient(found["rest"] + "/v1/models/mlm") as client:
            for version in range(2, 12):
                assert len(client.fill(ONE_MASK)) == 5
                link_version(heavy_model, base, version)
                until(
                    lambda v=version: (
                        (client.status().get(v), client.status().get(v - 1)) == ("AVAILABLE", "END")
                    )
                )
                shutil.rmtree(base / str(version - 1))
                resident.append(resident_mib(process))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    # seven versions more; what they hold would be 336 MiB
    assert resident[9] - resident[2] < BALLAST_MIB, resident


def test_nothing_of_an_unloaded_version_is_left(heavy_model: Path, tmp_path: Path) -> None:
    base = tmp_path / "models"
    base.mkdir()
    parts: dict[int, list[weakref.ref[Any]]] = {}
    threads: dict[int, threading.Thread] = {}

    def loader(name: str, version: int, path: Path) -> Servable:
        servable = Servable.load(name, version, path)
        session = servable._session
        parts[version] = [weakref.ref(part) for part in (servable, session, session.graph)]
        threads[version] = threading.current_thread()
        return servable

    manager = ModelManager(loader, poll_seconds=0)
    gc.disable()  # it must not take a collection that happens to come
    try:
        for version in range(1, 5):
            link_version(heavy_model, base, version)
            manager.configure(single_model_config("mlm", str(base)))
            until(lambda v=version: manager.find("mlm").version == v)
            until(lambda v=version: v == 1 or manager.statuses("mlm", v - 1)[0].state == "END")
            alive = {v: [part() is not None for part in parts[v]] for v in parts}
            assert alive.pop(version) == [True, True, True]
            assert not any(map(any, alive.values())), alive
    finally:
        gc.enable()
        manager.stop()
    # heaps are by thread: a version must not be loaded into the heap of the one it replaces
    assert all(threads[v] is not threads[v + 1] for v in (1, 2, 3))
    assert threads[1] is threads[3]
