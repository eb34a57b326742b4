"""Rewrites of traced functions that make the same values cheaper on TensorFlow's CPU kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def read_before_gathering(function: Any) -> None:
    """Gathers from a variable's value in place of the variable.

    ResourceGather turns a variable into one that is copied at every read. The embeddings that are
    the head's projection as well would be copied whole at every request.
    """
    from tensorflow.core.framework import node_def_pb2, types_pb2

    added = []
    for node in function.node_def:
        if node.op != "ResourceGather":
            continue
        read = node_def_pb2.NodeDef(name=f"{node.name}/read", op="ReadVariableOp")
        read.input.append(node.input[0])
        read.attr["dtype"].CopyFrom(node.attr["dtype"])
        batch_dims = int(node.attr["batch_dims"].i) if "batch_dims" in node.attr else 0
        axis = _constant(f"{node.name}/axis", [batch_dims], [])
        node.op = "GatherV2"
        node.input[:] = [f"{read.name}:value:0", node.input[1], f"{axis.name}:output:0"]
        node.attr["Tparams"].CopyFrom(node.attr["dtype"])
        node.attr["Taxis"].type = types_pb2.DT_INT32
        for name in ("dtype", "validate_indices", "_class"):
            node.attr.pop(name, None)
        added += [read, axis]
    function.node_def.extend(added)


def project_by_rows(function: Any) -> None:
    """Multiplies a tied projection as (weights · hiddenᵀ)ᵀ in place of hidden · weightsᵀ.

    The kernel for a transposed second factor copies it at every call, and the weights [vocabulary,
    hidden] are the largest matrix there is; so the few hidden states are transposed instead. In
    float32 alone: the kernel for bfloat16 is quicker on the product as it stands.
    """
    from tensorflow.core.framework import node_def_pb2, types_pb2

    reads = {node.name for node in function.node_def if node.op == "ReadVariableOp"}
    added, renamed = [], {}
    for node in function.node_def:
        if (
            node.op != "MatMul"
            or node.attr["T"].type != types_pb2.DT_FLOAT
            or not _flag(node, "transpose_b")
            or _flag(node, "transpose_a")
            or node.input[1].split(":")[0] not in reads
        ):
            continue
        product = node_def_pb2.NodeDef()
        product.CopyFrom(node)
        product.name = f"{node.name}/by_rows"
        product.input[:] = [node.input[1], node.input[0]]
        product.attr.pop("_output_shapes", None)
        order = _constant(f"{node.name}/order", [1, 0], [2])
        dtype = node.attr["T"].type
        node.op = "Transpose"
        node.input[:] = [f"{product.name}:product:0", f"{order.name}:output:0"]
        node.attr.clear()
        node.attr["T"].type = dtype
        node.attr["Tperm"].type = types_pb2.DT_INT32
        renamed[f"{node.name}:product:0"] = f"{node.name}:y:0"
        added += [product, order]
    for node in function.node_def:
        for number, tensor in enumerate(node.input):
            node.input[number] = renamed.get(tensor, tensor)
    for name, tensor in function.ret.items():
        function.ret[name] = renamed.get(tensor, tensor)
    function.node_def.extend(added)


def _flag(node: Any, name: str) -> bool:
    """A boolean attribute; looking it up in the map itself would add an empty one."""
    return name in node.attr and node.attr[name].b


def _constant(name: str, values: Sequence[int], shape: Sequence[int]) -> Any:
    """A Const node of int32."""
    from tensorflow.core.framework import node_def_pb2, types_pb2

    node = node_def_pb2.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = types_pb2.DT_INT32
    tensor = node.attr["value"].tensor
    tensor.dtype = types_pb2.DT_INT32
    tensor.tensor_shape.SetInParent()
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.int_val.extend(values)
    return node
