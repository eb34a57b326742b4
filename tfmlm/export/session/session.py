"""A session of TensorFlow's C library with what has been asked for of an export's graph."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.export.session.library import (
    TEXT_OPERATIONS,
    Buffer,
    Library,
    Output,
    TensorFlowError,
    library,
    register_text_operation,
)
from tfmlm.export.session.saved_graph import SavedGraph, node_of
from tfmlm.export.session.tensors import Tensor, read
from tfmlm.heap import trim_heap


class Session:
    """The weights, and of the graph what the signatures need that were asked for so far.

    A session optimizes its graph before the first run of each signature, and everything that is in
    it takes part in that; so a signature is brought in when it is first asked for, with the
    functions and tables that it alone needs. Threads may share a session.

    Attributes:
        signatures: `SignatureDef` messages by name.
        nodes: names of the nodes that have been brought in.
    """

    def __init__(self, folder: Path, threads: int = 0, optimized: bool = True) -> None:
        """Reads the weights of a version folder.

        Args:
            folder: the SavedModel.
            threads: of the session; 0: one for each processor.
            optimized: whether TensorFlow optimizes the graph.

        Raises:
            TensorFlowError, OSError, ValueError: the SavedModel is damaged.
        """
        self._raw = (folder / "saved_model.pb").read_bytes()
        saved = SavedGraph(self._raw)
        self.signatures = saved.signatures
        self.nodes: frozenset[str] = frozenset()
        self._functions: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._open: _Open | None = _Open(library(), _config(threads, optimized))
        if saved.restore:
            filename, restore = node_of(saved.filename), node_of(saved.restore)
            self._bring_in(saved, [filename, restore])
            weights = np.array(str(folder / "variables" / "variables"), object)
            Call(self._opened(), [saved.filename], [], [restore])([weights])

    def call(self, signature: str, inputs: Sequence[str], outputs: Sequence[str]) -> Call:
        """What takes the arrays of `inputs` and gives those of `outputs` of a signature.

        Raises:
            RuntimeError: the session is closed.
        """
        definition = self.signatures[signature]
        feeds = [definition.inputs[name].name for name in inputs]
        fetches = [definition.outputs[name].name for name in outputs]
        # The graph holds all outputs of a signature or none.
        every = [info.name for info in definition.outputs.values()]
        with self._lock:
            opened = self._opened()
            targets = [node_of(tensor) for tensor in (*feeds, *every)]
            if not self.nodes.issuperset(targets):
                saved = SavedGraph(self._raw)
                initializers = [n for n in saved.initializers(targets) if n not in self.nodes]
                if initializers:
                    self._bring_in(saved, initializers)
                    Call(opened, [], [], initializers)([])
                self._bring_in(saved, targets)
                del saved
                trim_heap()
            return Call(opened, feeds, fetches, [])

    def close(self) -> None:
        """Frees what the session holds, when no `Call` is left."""
        self._open = None
        self._raw = b""

    def _opened(self) -> _Open:
        if self._open is None:
            raise RuntimeError("the session is closed")
        return self._open

    def _bring_in(self, saved: SavedGraph, targets: Iterable[str]) -> None:
        """Adds the nodes and functions that targets need and that are not there yet."""
        part = saved.part(targets, self.nodes, self._functions)
        functions = part.library.function
        for body in (part.node, *(function.node_def for function in functions)):
            for operation in {node.op for node in body} & TEXT_OPERATIONS:
                register_text_operation(operation)
        self._opened().add(part, self.nodes)
        self.nodes |= {node.name for node in part.node}
        self._functions |= {function.signature.name for function in functions}


class Call:
    """Some inputs and outputs of a session; threads may call it at the same time."""

    def __init__(
        self, opened: _Open, feeds: Sequence[str], fetches: Sequence[str], targets: Sequence[str]
    ) -> None:
        """Looks the tensors and the operations without outputs up.

        Args:
            opened: the session.
            feeds, fetches: names of tensors.
            targets: names of operations.
        """
        self._opened = opened
        self._feeds = (Output * len(feeds))(*map(opened.output, feeds))
        self._fetches = (Output * len(fetches))(*map(opened.output, fetches))
        operations = map(opened.operation, targets)
        self._targets = (ctypes.c_void_p * len(targets))(*operations)
        self._ran = False

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs on one array of the right type and rank for each input.

        Raises:
            TensorFlowError: the run failed.
        """
        used = self._opened.library
        given = [Tensor(used, array) for array in arrays]
        values = (ctypes.c_void_p * len(given))(*(tensor.pointer for tensor in given))
        results = (ctypes.c_void_p * len(self._fetches))()
        try:
            used.checked(
                "TF_SessionRun",
                *(self._opened.session, None),
                *(self._feeds, values, len(given)),
                *(self._fetches, results, len(results)),
                *(self._targets, len(self._targets)),
                None,
            )
            return [read(used, result) for result in results if result]
        finally:
            for result in filter(None, results):
                used.TF_DeleteTensor(result)
            for tensor in given:
                tensor.free()
            if not self._ran:
                trim_heap()  # of what reading and optimizing the graph took
                self._ran = True


class _Open:
    """A graph and its session, freed when nothing refers to them any more.

    Attributes:
        library: whose they are.
        session: the TF_Session.
    """

    def __init__(self, used: Library, config: bytes) -> None:
        self.library = used
        self._graph = used.TF_NewGraph()
        options = used.TF_NewSessionOptions()
        try:
            used.checked("TF_SetConfig", options, config, len(config))
            self.session = used.checked("TF_NewSession", self._graph, options)
        finally:
            used.TF_DeleteSessionOptions(options)
        weakref.finalize(self, _free, used, self.session, self._graph).atexit = False

    def add(self, part: Any, known: frozenset[str]) -> None:
        """Brings in a GraphDef, some of whose inputs are nodes that are there already."""
        used = self.library
        options = used.TF_NewImportGraphDefOptions()
        try:
            outside = {
                tensor for node in part.node for tensor in node.input if node_of(tensor) in known
            }
            for tensor in outside:
                name, index = _split(tensor)
                used.TF_ImportGraphDefOptionsAddInputMapping(
                    options, name.encode(), index, self.output(tensor)
                )
            raw = part.SerializeToString()
            data = ctypes.cast(ctypes.c_char_p(raw), ctypes.c_void_p)
            buffer = Buffer(data, len(raw), None)
            used.checked("TF_GraphImportGraphDef", self._graph, ctypes.byref(buffer), options)
        finally:
            used.TF_DeleteImportGraphDefOptions(options)

    def output(self, tensor: str) -> Output:
        """A tensor of the graph."""
        name, index = _split(tensor)
        return Output(self.operation(name), index)

    def operation(self, name: str) -> int:
        """An operation of the graph.

        Raises:
            ValueError: there is none of this name.
        """
        found = self.library.TF_GraphOperationByName(self._graph, name.encode())
        if not found:
            raise ValueError(f"the graph has no operation {name}")
        return found


def _free(used: Library, session: int, graph: int) -> None:
    for function in ("TF_CloseSession", "TF_DeleteSession"):
        with contextlib.suppress(TensorFlowError):
            used.checked(function, session)
    used.TF_DeleteGraph(graph)


def _split(tensor: str) -> tuple[str, int]:
    name, _, index = tensor.partition(":")
    return name, int(index or 0)


def _config(threads: int, optimized: bool) -> bytes:
    """A ConfigProto."""
    from tfmlm.export.session.messages import ConfigProto

    config = ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    config.graph_options.rewrite_options.memory_optimization = _NO_MEMORY_OPTIMIZATION
    if not optimized:
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        config.graph_options.optimizer_options.opt_level = _NO_OPTIMIZATION
    return config.SerializeToString()


#: `RewriterConfig.NO_MEM_OPT`: on a processor there is nothing to swap out or to recompute, and
#: looking for it takes an eighth of the time until the first answer.
_NO_MEMORY_OPTIMIZATION = 1
#: `OptimizerOptions.L0`
_NO_OPTIMIZATION = -1
