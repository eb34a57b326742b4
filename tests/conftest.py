"""Settings for every test: tfmlm first (it settles on Keras 2), no Hub, no GPU."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import tfmlm  # noqa: E402, F401


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run long versions of tests that have one")
