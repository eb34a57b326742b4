"""A SavedModel's graph as it lies on the disk, and the parts of it that something needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

#: What fills the tables of a SavedModel, by TensorFlow's name for it.
_INIT = "__saved_model_init_op"
#: Signatures that are TensorFlow's own.
_RESERVED = "__"


class SavedGraph:
    """Nodes and functions of a SavedModel by name.

    Attributes:
        signatures: `SignatureDef` messages by name.
        filename: tensor that takes the path of the weights.
        restore: operation that reads the weights.
    """

    def __init__(self, raw: bytes) -> None:
        """Reads what a `saved_model.pb` holds.

        Raises:
            ValueError: it is no SavedModel of one graph.
        """
        from google.protobuf.message import DecodeError

        from tfmlm.export.session.messages import SavedModel

        try:
            model = SavedModel.FromString(raw)
        except DecodeError:
            raise ValueError("saved_model.pb is damaged") from None
        if len(model.meta_graphs) != 1:
            raise ValueError(f"saved_model.pb holds {len(model.meta_graphs)} graphs, not one")
        self._meta = model.meta_graphs[0]
        graph = self._meta.graph_def
        self._nodes = {node.name: node for node in graph.node}
        self._functions = {f.signature.name: f for f in graph.library.function}
        self.signatures = {
            name: signature
            for name, signature in self._meta.signature_def.items()
            if not name.startswith(_RESERVED)
        }
        self.filename = self._meta.saver_def.filename_tensor_name
        self.restore = self._meta.saver_def.restore_op_name

    def initializers(self, targets: Iterable[str]) -> list[str]:
        """Operations that fill the tables which `targets` (names of nodes) read."""
        if _INIT not in self._meta.signature_def:
            return []
        init = self._nodes[node_of(self._meta.signature_def[_INIT].outputs[_INIT].name)]
        each = [node_of(tensor) for tensor in init.input] or [init.name]
        used = set(self._ancestors(targets, frozenset()))
        return [name for name in each if used.intersection(self._ancestors([name], frozenset()))]

    def part(
        self, targets: Iterable[str], known: frozenset[str], known_functions: frozenset[str]
    ) -> Any:
        """The GraphDef of what `targets` (names of nodes) need beyond what is known."""
        from tfmlm.export.session.messages import GraphDef

        nodes = [self._nodes[name] for name in self._ancestors(targets, known)]
        functions = [self._functions[name] for name in self._called(nodes, known_functions)]
        part = GraphDef(node=nodes, versions=self._meta.graph_def.versions)
        part.library.function.extend(functions)
        return part

    def _ancestors(self, targets: Iterable[str], known: frozenset[str]) -> list[str]:
        """Names of the nodes that targets are computed from, themselves included."""
        found = {name: None for name in targets if name not in known}
        todo = list(found)
        while todo:
            for tensor in self._nodes[todo.pop()].input:
                name = node_of(tensor)
                if name not in found and name not in known:
                    found[name] = None
                    todo.append(name)
        return list(found)

    def _called(self, nodes: Iterable[Any], known: frozenset[str]) -> list[str]:
        """Names of the functions that nodes call, directly or not."""
        found: dict[str, None] = {}
        todo = list(nodes)
        while todo:
            for name in _calls(todo.pop()):
                if name in self._functions and name not in found and name not in known:
                    found[name] = None
                    todo.extend(self._functions[name].node_def)
        return list(found)


def node_of(tensor: str) -> str:
    """The node of a tensor, or of a control edge."""
    return tensor.removeprefix("^").split(":")[0]


def _calls(node: Any) -> Iterator[str]:
    yield node.op
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name
