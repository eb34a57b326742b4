"""A Hub on loopback, an environment that points to it, and small models to push."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.small import TOKEN, make_folder, make_tokenizer
from tests.hub_server import LoopbackHub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A running Hub; the environment points to it, with ada's token."""
    home = tmp_path / "home"
    home.mkdir()
    with LoopbackHub(tmp_path / "hub") as server:
        server.add_user("ada", TOKEN, "write", "lab")
        for name, value in {
            "HF_ENDPOINT": server.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_OFFLINE": "0",
            "HOME": str(home),
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def folder(tmp_path: Path, finished: Path) -> Path:
    """A fresh copy of a finished checkpoint folder."""
    return Path(shutil.copytree(finished, tmp_path / "finished"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder as `tfmlm train` leaves it; to be copied, not changed."""
    return make_folder(tmp_path_factory.mktemp("checkpoint") / "model")


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()
