"""Runs a SavedModel with TensorFlow alone: python plain_tensorflow.py FOLDER MODE < REQUESTS

REQUESTS is a JSON list of [signature, inputs]; an input is {"dtype", "shape", "values"}, strings
as lists of byte values. MODE is `session` (as TF Serving loads it) or `functions`
(`tf.saved_model.load`). Prints the JSON list of the outputs. Works with TensorFlow 2.18 and later,
so that it can be run by the interpreter of another environment.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf


def decoded(spec):
    if spec["dtype"] == "object":
        values = [bytes(v) for v in spec["values"]]
        array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(spec["shape"])
    return np.array(spec["values"], spec["dtype"]).reshape(spec["shape"])


def encoded(array):
    array = np.asarray(array)
    kind = "object" if array.dtype == object else str(array.dtype)
    flat = [list(v) if kind == "object" else v for v in array.ravel().tolist()]
    return {"dtype": kind, "shape": list(array.shape), "values": flat}


def by_session(folder):
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], folder)

    def call(name, inputs):
        signature = meta.signature_def[name]
        fetches = {key: info.name for key, info in signature.outputs.items()}
        feeds = {signature.inputs[key].name: value for key, value in inputs.items()}
        return session.run(fetches, feeds)

    return call


def by_functions(folder):
    loaded = tf.saved_model.load(folder)

    def call(name, inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return {k: v.numpy() for k, v in loaded.signatures[name](**tensors).items()}

    return call


def main(folder, mode):
    call = {"session": by_session, "functions": by_functions}[mode](folder)
    answers = []
    for name, inputs in json.load(sys.stdin):
        outputs = call(name, {key: decoded(spec) for key, spec in inputs.items()})
        answers.append({key: encoded(value) for key, value in outputs.items()})
    strangers = {"tfmlm", "transformers", "tokenizers", "tf_keras", "tensorflow_text"} & set(
        sys.modules
    )
    assert not strangers, strangers
    print(json.dumps({"tensorflow": tf.__version__, "answers": answers}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
