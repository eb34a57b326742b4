"""Which part of a SavedModel a signature needs: judged by TensorFlow's own pruning."""

import functools

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.export.exported import bert
from tfmlm.export.contract import SIGNATURES
from tfmlm.export.session.saved_graph import SavedGraph, node_of

NONE: frozenset[str] = frozenset()


@functools.cache
def raw():
    return (bert().path / "saved_model.pb").read_bytes()


@functools.cache
def whole():
    """The graph in TensorFlow's own messages."""
    model = saved_model_pb2.SavedModel.FromString(raw())
    return model.meta_graphs[0]


def functions_called(graph):
    """Names of the functions that are reached, by TensorFlow's names of what may hold one."""
    bodies = {f.signature.name: f.node_def for f in whole().graph_def.library.function}
    found, todo = set(), [graph.node]
    while todo:
        for node in todo.pop():
            names = {value.func.name for value in node.attr.values()} | {
                f.name for value in node.attr.values() for f in value.list.func
            }
            for name in names & bodies.keys() - found:
                found.add(name)
                todo.append(bodies[name])
    return found


@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_part_of_a_signature(signature):
    outputs = [node_of(info.name) for info in whole().signature_def[signature].outputs.values()]
    part = SavedGraph(raw()).part(outputs, NONE, NONE)
    expected = tf.compat.v1.graph_util.extract_sub_graph(whole().graph_def, outputs)
    assert {n.name for n in part.node} == {n.name for n in expected.node}
    assert {f.signature.name for f in part.library.function} == functions_called(expected)
    # Nothing is lost of what the messages here do not name.
    found = tf.compat.v1.GraphDef.FromString(part.SerializeToString())
    nodes = {node.name: node for node in whole().graph_def.node}
    assert all(node == nodes[node.name] for node in found.node)
    bodies = {f.signature.name: f for f in whole().graph_def.library.function}
    assert all(f == bodies[f.signature.name] for f in found.library.function)
    assert found.versions == whole().graph_def.versions


def test_what_is_known_is_left_out():
    saved = SavedGraph(raw())
    first = [node_of(info.name) for info in saved.signatures["serving_default"].outputs.values()]
    second = [node_of(info.name) for info in saved.signatures["tokenize"].outputs.values()]
    known = saved.part(first, NONE, NONE)
    nodes = frozenset(n.name for n in known.node)
    functions = frozenset(f.signature.name for f in known.library.function)
    more = saved.part(second, nodes, functions)
    assert more.node and not nodes & {n.name for n in more.node}
    assert not functions & {f.signature.name for f in more.library.function}
    assert not saved.part(first, nodes, functions).node


def test_tables_are_filled_for_those_who_read_them():
    saved = SavedGraph(raw())

    def tables(signature):
        outputs = [node_of(i.name) for i in saved.signatures[signature].outputs.values()]
        filled = saved.initializers(outputs)
        nodes = {node.name: node for node in whole().graph_def.node}
        read = {n.name for n in saved.part(outputs, NONE, NONE).node if n.op == "HashTableV2"}
        assert read == {node_of(nodes[name].input[0]) for name in filled}
        return read

    assert not tables("fill_mask_ids")
    assert tables("tokenize") < tables("fill_mask_targets")


def test_damaged_files():
    with pytest.raises(ValueError, match="damaged"):
        SavedGraph(b"\x00")
    with pytest.raises(ValueError, match="damaged"):
        SavedGraph(raw()[:-1000])
    with pytest.raises(ValueError, match="holds 0 graphs"):
        SavedGraph(b"")
