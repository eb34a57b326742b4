"""One version of a model: a SavedModel in a session of its own, as TensorFlow Serving runs it."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.heap import trim_heap
from tfmlm.serve.answer_size import ExportFacts
from tfmlm.serve.splitting import Splitter
from tfmlm.serve.status import StatusError, deadline_exceeded, from_tensorflow


class Servable:
    """A loaded SavedModel.

    It is closed only when no request uses it: requests hold it with `use`.

    Attributes:
        name, version: which model it is.
        meta_graph: its MetaGraphDef, with `signature_def`.
        facts: what an export says about itself; None for other models.
    """

    def __init__(
        self,
        name: str,
        version: int,
        session: Any,
        meta_graph: Any,
        facts: ExportFacts | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.meta_graph = meta_graph
        self.facts = facts
        self._splitter = Splitter(facts, meta_graph.signature_def) if facts else None
        self._session = session
        self._users = 0
        self._closing = False
        self._idle = threading.Condition()

    @classmethod
    def load(
        cls,
        name: str,
        version: int,
        path: Path,
        tags: Sequence[str] = ("serve",),
        session_config: Any = None,
    ) -> Servable:
        """Loads a SavedModel folder with the op libraries of stock TensorFlow Serving.

        Raises:
            StatusError: it is not a SavedModel, is incomplete, or uses an op that is not there.
        """
        import tensorflow as tf

        register_servable_ops()
        graph = tf.Graph()
        session = None
        try:
            with graph.as_default():
                session = tf.compat.v1.Session(graph=graph, config=session_config)
                meta_graph = _load_saved_model(session, list(tags), str(path))
        except Exception as error:
            if session is not None:
                session.close()
            if isinstance(error, tf.errors.OpError):
                raise from_tensorflow(error) from None
            if isinstance(error, OSError):
                raise StatusError("NOT_FOUND", str(error)) from None
            raise StatusError("INVALID_ARGUMENT", f"{type(error).__name__}: {error}") from None
        return cls(name, version, session, meta_graph, ExportFacts.read(path))

    @contextlib.contextmanager
    def use(self) -> Iterator[Servable | None]:
        """Keeps the session open meanwhile; gives None if it is being closed already."""
        with self._idle:
            available = not self._closing
            self._users += available
        try:
            yield self if available else None
        finally:
            if available:
                with self._idle:
                    self._users -= 1
                    self._idle.notify_all()

    def run(
        self, feeds: dict[str, np.ndarray], fetches: list[str], timeout_ms: int
    ) -> list[np.ndarray]:
        """One `Session.run` of tensor names, or several where an export is asked for much.

        Raises:
            StatusError: what TensorFlow said, or DEADLINE_EXCEEDED after `timeout_ms`.
        """
        end = time.monotonic() + timeout_ms / 1000

        def run(feeds: dict[str, np.ndarray], fetches: list[str]) -> list[np.ndarray]:
            left = end - time.monotonic()
            if left <= 0:
                raise deadline_exceeded("running the model")
            return self._run(feeds, fetches, int(left * 1000))

        if self._splitter is not None:
            return self._splitter.run(run, feeds, fetches)
        return self._run(feeds, fetches, timeout_ms)

    def _run(
        self, feeds: dict[str, np.ndarray], fetches: list[str], timeout_ms: int
    ) -> list[np.ndarray]:
        import tensorflow as tf

        options = tf.compat.v1.RunOptions(timeout_in_ms=max(timeout_ms, 1))
        try:
            return self._session.run(fetches, feeds, options=options)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None
        except (TypeError, ValueError) as error:
            raise StatusError("INVALID_ARGUMENT", str(error)) from None

    def close(self, patience: float = 600.0) -> bool:
        """Waits until no request uses it, `patience` seconds at most, and frees its memory.

        Returns:
            False if requests still use it; they keep it then.
        """
        with self._idle:
            self._closing = True
            if not self._idle.wait_for(lambda: self._users == 0, timeout=patience):
                return False
        self._session.close()
        self._session = None
        self.meta_graph = None
        release_memory()
        return True


def release_memory() -> None:
    """Gives what is free of the heap back to the system, so that swaps do not add up.

    The C library keeps freed memory in a heap for each thread that ever allocated there. TensorFlow
    Serving does the same after an unload (`MallocExtension_ReleaseToSystem`, `simple_loader.h`).
    """
    gc.collect()  # a graph is full of cycles
    trim_heap()


def register_servable_ops() -> None:
    """Registers the ops beyond TensorFlow's own that stock TensorFlow Serving has: TF Text's."""
    import tensorflow_text  # noqa: F401


def _load_saved_model(session: Any, tags: list[str], path: str) -> Any:
    from tensorflow.python.saved_model import loader_impl
    from tensorflow.python.util import deprecation

    # tf.compat.v1.saved_model.load, without the advice to use another function
    with deprecation.silence():
        return loader_impl.load(session, tags, path)
