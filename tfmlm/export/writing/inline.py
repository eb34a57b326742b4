"""Rewrites a SavedModel so that a session computes what is fetched and nothing else.

`tf.saved_model.save` gives each signature one call node. A session that runs the call computes all
its outputs, and automatic control dependencies tie parts of a function together that share nothing
but a table. Here the signatures' bodies become part of the main graph, with outputs that can be
fetched one by one, and control edges are dropped: nothing in these functions has side effects, they
read variables and tables only. `tf.saved_model.load` finds its functions as before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tfmlm.export.writing.rewrites import project_by_rows, read_before_gathering

_STATEFUL_CALL = "StatefulPartitionedCall"
#: The functions that fill tables and restore variables do have side effects.
_RESERVED = "__"


def rewrite_saved_model(version_folder: str | os.PathLike[str]) -> None:
    """Inlines signatures, drops control edges, and drops what only debugging needs.

    `debug_name` of variables is refused by TF Serving before 2.15.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.saved_model import fingerprinting_utils

    path = Path(version_folder) / "saved_model.pb"
    model = saved_model_pb2.SavedModel()
    model.ParseFromString(path.read_bytes())
    for meta in model.meta_graphs:
        functions = {f.signature.name: f for f in meta.graph_def.library.function}
        signatures = [
            signature
            for name, signature in sorted(meta.signature_def.items())
            if not name.startswith(_RESERVED)
        ]
        nodes = {node.name: node for node in meta.graph_def.node}
        calls = {_node(info.name) for s in signatures for info in s.outputs.values()}
        for name in _reachable((nodes[call] for call in calls), functions):
            _prune(functions[name])
            read_before_gathering(functions[name])
            project_by_rows(functions[name])
        # Calls are resolved in the default graph; eagerly, a function is known for as long as the
        # object lives that was saved.
        with tf.Graph().as_default():
            library = tf.compat.v1.GraphDef(library=meta.graph_def.library)
            tf.graph_util.import_graph_def(library)
            _inline(meta.graph_def, signatures, functions)
        every = [meta.graph_def.node, *(f.node_def for f in functions.values())]
        for node in (node for group in every for node in group):
            if node.op == "VarHandleOp":
                node.attr.pop("debug_name", None)
            # TensorFlow's Python looks for attributes that a node leaves out, and so adds empty
            # ones, which no program can read.
            for name in [n for n, value in node.attr.items() if not value.WhichOneof("value")]:
                del node.attr[name]
    path.write_bytes(model.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(str(version_folder))


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").split(":")[0]


def _reachable(nodes: Iterable[Any], functions: dict[str, Any]) -> set[str]:
    """Names of the functions that nodes call, directly or not."""
    found: set[str] = set()
    todo = list(nodes)
    while todo:
        for name in _called(todo.pop()):
            if name in functions and name not in found:
                found.add(name)
                todo.extend(functions[name].node_def)
    return found


def _called(node: Any) -> Iterator[str]:
    yield node.op
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _prune(function: Any) -> None:
    """Drops control edges and the nodes that no output needs (such as assertions)."""
    function.control_ret.clear()
    del function.signature.control_output[:]
    nodes = {node.name: node for node in function.node_def}
    needed: set[str] = set()
    todo = [_node(tensor) for tensor in function.ret.values()]
    while todo:
        name = todo.pop()
        if name in nodes and name not in needed:
            needed.add(name)
            node = nodes[name]
            node.input[:] = [tensor for tensor in node.input if not tensor.startswith("^")]
            todo.extend(map(_node, node.input))
    kept = [node for node in function.node_def if node.name in needed]
    del function.node_def[:]
    function.node_def.extend(kept)


def _inline(graph: Any, signatures: Iterable[Any], functions: dict[str, Any]) -> None:
    """Replaces the calls behind signatures by what they run.

    Stateful calls are those that read variables or tables; a session would keep them as calls,
    out of reach of its optimizer. Stateless calls (the tokenizer's, with its constants) stay, so
    that the graph holds them once; sessions inline them.
    """
    nodes = {node.name: node for node in graph.node}
    moved: dict[str, str] = {}
    inlined: set[str] = set()
    for signature in signatures:
        todo = list({_node(info.name) for info in signature.outputs.values()})
        while todo:
            name = todo.pop()
            outputs, added = _body(nodes[name], functions, _prefix(name))
            nodes |= {node.name: node for node in added}
            todo += [node.name for node in added if node.op == _STATEFUL_CALL]
            moved |= {f"{name}:{number}": output for number, output in enumerate(outputs)}
            inlined.add(name)
    kept = [node for node in nodes.values() if node.name not in inlined]
    for node in kept:
        for number, tensor in enumerate(node.input):
            full = tensor if ":" in tensor or tensor.startswith("^") else f"{tensor}:0"
            if full in moved:
                node.input[number] = _end(full, moved)
    del graph.node[:]
    graph.node.extend(kept)
    for signature in signatures:
        for info in signature.outputs.values():
            info.name = _end(info.name, moved)


def _end(tensor: str, moved: dict[str, str]) -> str:
    """The tensor that stands in a call's output's place, through calls within calls."""
    while tensor in moved:
        tensor = moved[tensor]
    return tensor


def _prefix(name: str) -> str:
    """Names of inlined nodes begin with the call's, whose last part is shortened."""
    head, _, tail = name.rpartition("/")
    short = tail.replace("StatefulPartitionedCall", "call")
    return f"{head}/{short}" if head else short


def _body(call: Any, functions: dict[str, Any], prefix: str) -> tuple[list[str], list[Any]]:
    """Tensors that a call returns and the nodes that compute them, renamed."""
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

    function = functions[call.attr["f"].func.name]
    graph, flat = function_def_to_graph_def(function)
    arguments = dict(zip((a.name for a in function.signature.input_arg), call.input, strict=False))

    def renamed(tensor: str) -> str:
        name, _, index = tensor.partition(":")
        if name in arguments:
            return arguments[name]
        return f"{prefix}/{name}" + (f":{index}" if index else "")

    nodes = []
    for node in graph.node:
        if node.name in arguments:
            continue
        node.name = f"{prefix}/{node.name}"
        node.input[:] = [renamed(tensor) for tensor in node.input]
        node.attr.pop("_class", None)
        nodes.append(node)
    outputs = []
    for argument in function.signature.output_arg:
        tensor = renamed(flat[function.ret[argument.name]])
        outputs.append(tensor if ":" in tensor else f"{tensor}:0")
    return outputs, nodes
