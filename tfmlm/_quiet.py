"""Keeps the notes that TensorFlow's native libraries write while they load off the terminal.

They are written before logging is set up, so no log level reaches them; the file descriptor does.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def stderr_held_back() -> Iterator[None]:
    """Drops what is written to file descriptor 2 inside the block; shows it if the block raises."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            if failed:
                held.seek(0)
                os.write(2, held.read())


class _QuietLoader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with stderr_held_back():
            self._loader.exec_module(module)


class _QuietTensorFlowFinder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


def quieten_tensorflow_import() -> None:
    """Makes the first `import tensorflow` of this process silent."""
    if "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _QuietTensorFlowFinder())


@contextlib.contextmanager
def as_quiet_as_the_import() -> Iterator[None]:
    """For loading TensorFlow's native library by itself: silent where its import is to be."""
    with contextlib.ExitStack() as stack:
        if any(isinstance(finder, _QuietTensorFlowFinder) for finder in sys.meta_path):
            stack.enter_context(stderr_held_back())
        yield


def quieten_libraries() -> None:
    """Silences what TensorFlow, transformers and their companions say besides errors."""
    quieten_tensorflow_import()
    for name in ("TRANSFORMERS", "DATASETS", "HF_HUB"):
        os.environ.setdefault(f"{name}_VERBOSITY", "error")
    for name in (
        "tensorflow",
        "absl",
        "tf_keras",
        "transformers",
        "datasets",
        "huggingface_hub",
        "matplotlib",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


@contextlib.contextmanager
def quiet_in_notebooks() -> Iterator[None]:
    """Keeps what other libraries say out of a notebook, which shows it in red."""
    if "ipykernel" not in sys.modules:
        yield
        return
    with warnings.catch_warnings():
        quieten_libraries()
        yield
