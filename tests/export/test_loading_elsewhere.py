"""The export in processes that know nothing of tfmlm: Python, the C library, older releases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfmlm
from tests.export import plain_tensorflow
from tests.export.exported import bert, int8_bert, loaded_bert, masked_texts
from tfmlm.cli.main import main

HERE = Path(__file__).parent
#: Interpreters with other releases of TensorFlow, separated by colons.
OLD_TF_PYTHONS = [p for p in os.environ.get("TFMLM_OLD_TF_PYTHONS", "").split(":") if p]


def requests():
    """Every signature, with hard content."""
    texts = [*masked_texts(12, "[MASK]", seed=4), *masked_texts(4, "[MASK]", masks=2, seed=5)]
    texts += ["No mask.", "", "word " * 700 + "[MASK]", "x" * 70_000, "play[MASK]"]
    text = np.array([t.encode() for t in texts] + [b"\xff[MASK]\x00 \xf0"], object)
    rows = len(text)
    ids = np.array([[101, 1996, 103, 102, 0], [101, 103, 103, 2003, 102]], np.int32)
    top_k = np.resize(np.array([3, 1, 7], np.int32), rows)
    targets = np.array([[b"dog", b"Paris", b"", b"dog", b"embeddings"]] * rows, object)
    return [
        ("serving_default", {"text": text}),
        ("fill_mask_top_k", {"text": text, "top_k": top_k}),
        ("fill_mask_targets", {"text": text, "targets": targets}),
        ("fill_mask_ids", {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int32)}),
        ("tokenize", {"text": text}),
    ]


def assert_as_here(name, inputs, found):
    expected = loaded_bert().predict(name, inputs)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        other = plain_tensorflow.decoded(found[key])
        assert other.shape == value.shape, (name, key)
        if value.dtype == np.float32:
            np.testing.assert_allclose(other, value, atol=1e-5)
        else:
            assert other.tolist() == value.tolist(), (name, key)


def run_plain(python, mode):
    release, answers = run_elsewhere(python, mode, bert().path)
    for (name, inputs), found in zip(requests(), answers, strict=True):
        assert_as_here(name, inputs, found)
    return release


def run_elsewhere(python, mode, path):
    """The release of TensorFlow and what it answers to `requests`."""
    sent = [
        (name, {key: plain_tensorflow.encoded(value) for key, value in inputs.items()})
        for name, inputs in requests()
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "PYTHONPATH"))}
    done = subprocess.run(
        [python, "-P", str(HERE / "plain_tensorflow.py"), str(path), mode],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        env=environment,
        cwd=HERE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    return answers["tensorflow"], answers["answers"]


@pytest.mark.parametrize("mode", ["session", "functions"])
def test_a_process_with_tensorflow_alone(mode):
    assert run_plain(sys.executable, mode) == tf.__version__


#: Loads an export without TF Text and with it, and prints the error and the rows of ids.
WITH_TF_TEXT = """
import json, sys
import tensorflow as tf
try:
    tf.saved_model.load(sys.argv[1])
except Exception as error:
    print(json.dumps(str(error)))
import tensorflow_text
tokenize = tf.saved_model.load(sys.argv[1]).signatures["tokenize"]
out = tokenize(text=tf.constant(json.load(sys.stdin)))
ids = tf.ragged.boolean_mask(out["input_ids"], out["attention_mask"] > 0)
assert not {"tfmlm", "transformers"} & set(sys.modules)
print(json.dumps(ids.to_list()))
"""


#: The same by `tfmlm.load`, which imports neither.
WITH_TFMLM = """
import json, sys
import tfmlm
out = tfmlm.load(sys.argv[1]).predict("tokenize", {"text": json.load(sys.stdin)})
rows = zip(out["input_ids"], out["attention_mask"])
assert not {"tensorflow", "tensorflow_text"} & set(sys.modules)
print(json.dumps([ids[mask > 0].tolist() for ids, mask in rows]))
"""


def test_ops_text_needs_what_inspect_says(tmp_path, capsys):
    """The fast tokenizer's ids by TF Text's op, in a process that imports TF Text."""
    path = tfmlm.export_saved_model(bert().model, bert().tokenizer, tmp_path / "export", ops="text")
    assert main(["inspect", path]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    op = "FastWordpieceTokenizeWithOffsets"
    assert f"needs TF Text ({op}): import tensorflow_text before loading it" in printed
    texts = [*masked_texts(30, "[MASK]", seed=6), "", "Café, 漢字!", "[MASK]x unaffable" * 3]
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITH_TF_TEXT, path],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith(("TF_", "PYTHONPATH"))},
        cwd=HERE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    error, ids = map(json.loads, done.stdout.splitlines())
    assert f"Op type not registered '{op}'" in error
    assert ids == bert().tokenizer(texts)["input_ids"]
    done = subprocess.run(
        [sys.executable, "-c", WITH_TFMLM, path],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == ids


def saved_model_cli(*arguments):
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "PYTHONPATH"))}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment, cwd=HERE
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_saved_model_cli():
    folder = ["--dir", str(bert().path)]
    shown = saved_model_cli("show", *folder, "--all")
    for name in loaded_bert().signatures:
        assert f"signature_def['{name}']" in shown
    expression = "text=['Paris is the [MASK] of France.']"
    signature = ["--tag_set", "serve", "--signature_def", "serving_default"]
    answer = saved_model_cli("run", *folder, *signature, "--input_exprs", expression)
    expected = loaded_bert().predict("serving_default", {"text": [expression[7:-2].encode()]})
    assert str(expected["token"][0, 0, 0]) in answer


if OLD_TF_PYTHONS:

    @pytest.mark.parametrize("python", OLD_TF_PYTHONS)
    @pytest.mark.parametrize("mode", ["session", "functions"])
    def test_other_releases_of_tensorflow(python, mode):
        assert run_plain(python, mode) != tf.__version__

    @pytest.mark.parametrize("python", OLD_TF_PYTHONS)
    def test_other_releases_of_tensorflow_multiply_integers(python):
        _, answers = run_elsewhere(python, "session", int8_bert().path)
        here, there = tfmlm.load(int8_bert().path), answers[0]
        expected = here.predict(*requests()[0])
        score, token = (plain_tensorflow.decoded(there[key]) for key in ("score", "token"))
        np.testing.assert_allclose(score, expected["score"], atol=0.01)
        assert (token[:, 0, 0] == expected["token"][:, 0, 0]).mean() > 0.9


def libraries():
    folder = Path(tf.__file__).parent
    names = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
    return {"libraries": [str(folder / name) for name in names], "op_libraries": []}


def test_the_c_library_that_the_server_is_built_on():
    def place(info):
        operation, index = info.name.split(":")
        return [operation, int(index)]

    runs, names = [], []
    for name, inputs in requests():
        definition = loaded_bert().definition(name)
        keys = sorted(definition.outputs)
        names.append(keys)
        sent = [
            [*place(definition.inputs[key]), plain_tensorflow.encoded(value)]
            for key, value in inputs.items()
        ]
        runs.append({"inputs": sent, "outputs": [place(definition.outputs[key]) for key in keys]})
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "c_api.py"), str(bert().path)],
        input=json.dumps({**libraries(), "runs": runs}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    for (name, inputs), keys, found in zip(requests(), names, answers, strict=True):
        assert_as_here(name, inputs, dict(zip(keys, found, strict=True)))
