"""Gathered rows and gradients stay what they are, and a variable is no longer copied."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tests.training.steps import _is_copied
from tfmlm.training.surgery.reads import gather_from_value

IDS = np.array([[3, 0, 3], [7, 7, 7]])


def made() -> tuple[tf.Module, tf.Variable]:
    module = tf.Module()
    module.table = tf.Variable(np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    return module, module.table


def test_rows_and_gradients_are_numpys() -> None:
    module, table = made()
    gather_from_value(module)
    upstream = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    with tf.GradientTape() as tape:
        rows = tf.nn.embedding_lookup(table, IDS)
    np.testing.assert_array_equal(rows, table.numpy()[IDS])
    gradient = tf.convert_to_tensor(tape.gradient(rows, table, upstream))
    expected = np.zeros([9, 4], np.float32)
    np.add.at(expected, IDS, upstream)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_reads_are_no_copies_before_and_after_a_gather() -> None:
    module, table = made()
    tf.gather(table, IDS)
    assert _is_copied(table)
    gather_from_value(module)
    assert not _is_copied(table)
    tf.gather(table, IDS)
    table.assign_add(tf.ones_like(table))
    assert not _is_copied(table)


def test_graphs_gather_from_the_value() -> None:
    module, table = made()

    def operations() -> set[str]:
        graph = tf.function(lambda ids: tf.gather(table, ids)).get_concrete_function(
            tf.TensorSpec([None], tf.int32)
        )
        return {operation.type for operation in graph.graph.get_operations()}

    assert "ResourceGather" in operations()
    gather_from_value(module)
    assert "ResourceGather" not in operations() and "GatherV2" in operations()
