"""A session of a rewritten SavedModel computes what is fetched and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.export.writing.inline import rewrite_saved_model

X = np.array([0.5, -1.0, 2.0], np.float32)
OUTPUTS = {"sine": lambda x: np.sin(2 * x), "cosine": lambda x: np.cos(3 * x)}


def save(folder: Path) -> None:
    """Two outputs that share nothing; one is computed by a function within the signature's."""
    module = tf.Module()
    module.two, module.three = tf.Variable(2.0), tf.Variable(3.0)
    inner = tf.function(lambda x: tf.cos(x * module.three))

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_less(x, 100.0)
        return {"sine": tf.sin(x * module.two), "cosine": inner(x)}

    spec = tf.TensorSpec([None], tf.float32, name="x")
    module.call = tf.function(call, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures=module.call)


def run(folder: Path, *outputs: str) -> tuple[dict[str, Any], set[str]]:
    """Values of outputs by a session, and the operations that it ran, calls opened up."""
    options = tf.compat.v1.RunOptions(output_partition_graphs=True)
    metadata = tf.compat.v1.RunMetadata()
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        signature = meta.signature_def["serving_default"]
        names = {name: signature.outputs[name].name for name in outputs}
        feed = {signature.inputs["x"].name: X}
        values = session.run(names, feed, options, metadata)
    operations = {node.op for graph in metadata.partition_graphs for node in graph.node}
    return values, operations


def test_only_what_is_fetched_is_computed(tmp_path: Path) -> None:
    save(tmp_path)
    _, before = run(tmp_path, "sine")
    assert "StatefulPartitionedCall" in before or {"Sin", "Cos"} <= before
    rewrite_saved_model(tmp_path)
    for name, other in (("sine", "Cos"), ("cosine", "Sin")):
        values, operations = run(tmp_path, name)
        np.testing.assert_allclose(values[name], OUTPUTS[name](X), rtol=1e-5)
        assert name[:3].capitalize() in operations
        assert not {other, "StatefulPartitionedCall", "Assert"} & operations
    values, _ = run(tmp_path, *OUTPUTS)
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](x=tf.constant(X))
    for name, expected in OUTPUTS.items():
        np.testing.assert_allclose(values[name], expected(X), rtol=1e-5)
        np.testing.assert_allclose(loaded[name], expected(X), rtol=1e-5)
