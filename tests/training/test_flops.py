"""Operations of a step: those of the products in the graph."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import ARCHITECTURES, small_model
from tfmlm.checkpoint.masked_positions import masked_logits
from tfmlm.training.flops import matrix_peak, step_flops

ROWS, LENGTH, MASKED = 3, 24, 7


def products(model) -> int:
    """Operations of the matrix products of a forward pass, by the shapes in its graph."""
    ids = tf.ones([ROWS, LENGTH], tf.int32)

    @tf.function
    def forward(ids, positions):
        inputs = {"input_ids": ids, "attention_mask": tf.ones_like(ids)}
        return masked_logits(model, inputs, positions)

    graph = forward.get_concrete_function(
        tf.TensorSpec(ids.shape, tf.int32), tf.TensorSpec([MASKED, 2], tf.int64)
    ).graph
    count = 0
    for op in graph.get_operations():
        if op.type in ("MatMul", "BatchMatMulV2"):
            left, out = op.inputs[0].shape, op.outputs[0].shape
            turned = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
            count += 2 * int(left[-2 if turned else -1]) * int(np.prod(out))
    return count


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "electra", "albert"])
def test_three_times_the_products_of_the_forward_pass(architecture: str) -> None:
    model = small_model(architecture, vocab_size=500)
    flops = float(step_flops(model).of(ROWS * LENGTH, MASKED, LENGTH))
    assert flops == pytest.approx(3 * products(model), rel=1e-6)


def test_layers_with_a_window_compare_what_is_in_it() -> None:
    model = small_model("modernbert", num_hidden_layers=4, global_attn_every_n_layers=3)
    width, window = model.config.hidden_size, model.config.local_attention
    short, long = (float(step_flops(model).of(1000.0, 0, n)) for n in (window + 1, window + 101))
    assert long - short == pytest.approx(1000 * 12 * width * 2 * 100, rel=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_some(architecture: str) -> None:
    flops = step_flops(small_model(architecture))
    assert min(flops.token, flops.prediction, flops.pair) > 0


def test_the_peak_is_that_of_a_product() -> None:
    peak = matrix_peak("float32")
    assert 1e8 < peak < 1e15
    assert matrix_peak("float32") == peak
