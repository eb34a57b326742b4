"""Rewrites keep values and remove what they are there to remove."""

from __future__ import annotations

import gc

import numpy as np
import tensorflow as tf

from tfmlm.export.writing.inline import rewrite_saved_model
from tfmlm.export.writing.servable_ops import operations


def make(folder):
    """A model with tied embeddings, an assertion, and two outputs."""
    module = tf.Module()
    module.table = tf.Variable(np.random.default_rng(0).normal(size=(11, 4)).astype(np.float32))
    rows = tf.reshape(tf.range(22.0), [2, 11])
    module.batched = tf.Variable(rows)

    def call(ids):
        tf.debugging.assert_less(ids, 1000)
        hidden = tf.gather(module.table, ids)
        logits = tf.matmul(hidden, module.table, transpose_b=True)
        picked = tf.gather(module.batched, ids[:2, tf.newaxis], batch_dims=1)
        return {"logits": logits, "twice": logits * 2.0, "picked": picked}

    signature = [tf.TensorSpec([None], tf.int32, name="ids")]
    module.call = tf.function(call, input_signature=signature)
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return module


def run(folder):
    """Outputs by session and by functions, and the session's graph."""
    ids = np.array([3, 1, 10], np.int32)
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
    signature = meta.signature_def["serving_default"]
    names = {key: info.name for key, info in signature.outputs.items()}
    by_session = session.run(names, {signature.inputs["ids"].name: ids})
    loaded = tf.saved_model.load(str(folder)).signatures["serving_default"]
    by_function = {k: v.numpy() for k, v in loaded(tf.constant(ids)).items()}
    return by_session, by_function, names


def test_values_stay_and_costs_go(tmp_path):
    make(tmp_path)
    gc.collect()  # what was saved is gone: the rewrite needs the files only
    before, _, names = run(tmp_path)
    assert {"ResourceGather", "Assert"} <= set(operations(tmp_path))
    assert len({name.split(":")[0] for name in names.values()}) == 1
    rewrite_saved_model(tmp_path)
    by_session, by_function, names = run(tmp_path)
    assert before.keys() == by_session.keys() == by_function.keys()
    for key, value in before.items():
        np.testing.assert_allclose(by_session[key], value, rtol=1e-6)
        np.testing.assert_allclose(by_function[key], value, rtol=1e-6)
    left = operations(tmp_path)
    assert not {"ResourceGather", "Assert"} & set(left)
    assert "Transpose" in left
    assert "debug_name" not in left["VarHandleOp"]
    assert len({name.split(":")[0] for name in names.values()}) == 3
