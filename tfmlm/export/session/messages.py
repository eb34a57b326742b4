"""The parts of TensorFlow's messages that loading an export reads, without importing TensorFlow.

What is not named here is kept as it is when a message is written again. Sources of the numbers:
`tensorflow/core/protobuf/{saved_model,meta_graph,saver,config,rewriter_config}.proto`,
`tensorflow/core/framework/{graph,node_def,attr_value,function,op_def,tensor_shape}.proto`.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool, message_factory

from tfmlm.descriptors import file_descriptor

_MESSAGES = {
    "NameAttrList": ["1 string name"],
    "AttrValue": ["1 .tensorflow.AttrValue.ListValue list", "10 .tensorflow.NameAttrList func"],
    "AttrValue.ListValue": ["9 repeated .tensorflow.NameAttrList func"],
    "NodeDef": [
        "1 string name",
        "2 string op",
        "3 repeated string input",
        "5 map .tensorflow.AttrValue attr",
    ],
    "OpDef": ["1 string name"],
    "FunctionDef": ["1 .tensorflow.OpDef signature", "3 repeated .tensorflow.NodeDef node_def"],
    "FunctionDefLibrary": ["1 repeated .tensorflow.FunctionDef function"],
    "VersionDef": ["1 int32 producer"],
    "GraphDef": [
        "1 repeated .tensorflow.NodeDef node",
        "2 .tensorflow.FunctionDefLibrary library",
        "4 .tensorflow.VersionDef versions",
    ],
    "SaverDef": ["1 string filename_tensor_name", "3 string restore_op_name"],
    "TensorShapeProto": ["2 repeated .tensorflow.TensorShapeProto.Dim dim"],
    "TensorShapeProto.Dim": ["1 int64 size"],
    "TensorInfo": [
        "1 string name",
        "2 int32 dtype",
        "3 .tensorflow.TensorShapeProto tensor_shape",
    ],
    "SignatureDef": [
        "1 map .tensorflow.TensorInfo inputs",
        "2 map .tensorflow.TensorInfo outputs",
    ],
    "MetaGraphDef": [
        "2 .tensorflow.GraphDef graph_def",
        "3 .tensorflow.SaverDef saver_def",
        "5 map .tensorflow.SignatureDef signature_def",
    ],
    "SavedModel": ["2 repeated .tensorflow.MetaGraphDef meta_graphs"],
    "RewriterConfig": ["4 int32 memory_optimization", "19 bool disable_meta_optimizer"],
    "OptimizerOptions": ["3 int32 opt_level"],
    "GraphOptions": [
        "3 .tensorflow.OptimizerOptions optimizer_options",
        "10 .tensorflow.RewriterConfig rewrite_options",
    ],
    "ConfigProto": [
        "2 int32 intra_op_parallelism_threads",
        "5 int32 inter_op_parallelism_threads",
        "10 .tensorflow.GraphOptions graph_options",
    ],
}

_pool = descriptor_pool.DescriptorPool()
_pool.Add(file_descriptor("tfmlm/export/session/messages.proto", "tensorflow", _MESSAGES))


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"tensorflow.{name}"))


SavedModel = _message("SavedModel")
GraphDef = _message("GraphDef")
ConfigProto = _message("ConfigProto")
