"""The comparison of tfmlm's architectures with PyTorch, which runs in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from transformers import TFAutoModelForMaskedLM
from transformers.modeling_tf_pytorch_utils import (
    apply_transpose,
    convert_tf_weight_name_to_pt_weight_name,
)

from tests.missing import missing

SCRIPT = Path(__file__).with_name("pytorch_reference.py")
#: Of the logits' standard deviation.
TOLERANCE = 1e-5


def python_with(transformers: int) -> str:
    """The Python that has torch and transformers of this major version."""
    name = {4: "TFMLM_TORCH_PYTHON", 5: "TFMLM_TORCH5_PYTHON"}[transformers]
    if not os.environ.get(name):
        missing(f"{name} names no Python with torch and transformers {transformers}")
    return os.environ[name]


def make_checkpoints(python: str, root: Path, cases: list[dict[str, Any]]) -> None:
    """Lets PyTorch make a checkpoint and its results of each case, as `SCRIPT` says."""
    (root / "cases.json").write_text(json.dumps(cases))
    done = subprocess.run(
        [python, str(SCRIPT), str(root / "cases.json"), str(root)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def load(root: Path, name: str, **overrides: Any) -> Any:
    """The case's model in TensorFlow; nothing of the checkpoint is missing or left over."""
    model, info = TFAutoModelForMaskedLM.from_pretrained(
        root / name, output_loading_info=True, **overrides
    )
    assert not any(info.values()), info
    return model


def assert_equal(
    model: Any, root: Path, name: str, graph: bool = False, jit_compile: bool = False
) -> None:
    """Logits at all tokens and the gradients of all weights are PyTorch's."""
    case = np.load(root / f"{name}.npz")
    labels = case["labels"]

    def run(input_ids: Any, attention_mask: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(input_ids=input_ids, attention_mask=attention_mask).logits
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=np.maximum(labels, 0), logits=logits
            )
            counted = (labels != -100).astype("float32")
            loss = tf.reduce_sum(losses * counted) / counted.sum()
        return logits, loss, tape.gradient(loss, model.trainable_variables)

    if graph:
        spec = tf.TensorSpec([None, None], tf.int64)
        run = tf.function(run, input_signature=[spec, spec], jit_compile=jit_compile)
    logits, loss, gradients = run(case["input_ids"], case["attention_mask"])
    real = case["attention_mask"] == 1
    worst = np.abs(logits.numpy() - case["logits"])[real].max() / case["logits"][real].std()
    assert worst <= TOLERANCE, f"logits differ by {worst:.1e} of their standard deviation"
    np.testing.assert_allclose(loss, case["loss"], rtol=1e-6)
    names = {name for name in case.files if name.startswith("grad:")}
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        pytorch, transpose = convert_tf_weight_name_to_pt_weight_name(
            variable.name, tf_weight_shape=variable.shape
        )
        names.remove(f"grad:{pytorch}")
        expected = case[f"grad:{pytorch}"]
        received = apply_transpose(
            transpose, tf.convert_to_tensor(gradient).numpy(), pt_to_tf=False
        )
        worst = np.abs(received - expected).max() / (np.linalg.norm(expected) or 1.0)
        assert worst <= TOLERANCE, f"gradients of {pytorch} differ by {worst:.1e} of their norm"
    assert not names, names
