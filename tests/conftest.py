"""Settings for every test: tfmlm first (it settles on Keras 2), no Hub, no GPU, one folder."""

import os
import shutil
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import pytest  # noqa: E402

import tfmlm  # noqa: E402, F401
from tests.shared import FOLDER  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run long versions of tests that have one")


_made: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder that the workers of this run share, before they are started."""
    if not hasattr(config, "workerinput") and FOLDER not in os.environ:
        _made.append(tempfile.mkdtemp(prefix="tfmlm-tests-"))
        os.environ[FOLDER] = _made[0]


def pytest_unconfigure() -> None:
    """Removes it."""
    for folder in _made:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(FOLDER, None)
