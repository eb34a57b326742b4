"""The head at chosen positions equals the head everywhere, in values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import ARCHITECTURES, small_model
from tfmlm.checkpoint.masked_positions import base_layer, head_logits, masked_hidden, masked_logits

INDICES = tf.constant([[0, 1], [2, 3], [2, 15]])


def inputs() -> dict[str, tf.Tensor]:
    ids = np.random.default_rng(1).integers(5, 99, (3, 16)).astype("int32")
    attention = np.ones_like(ids)
    attention[0, 9:] = 0
    return {"input_ids": tf.constant(ids), "attention_mask": tf.constant(attention)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_and_gradients_equal_the_full_heads(architecture: str) -> None:
    model = small_model(architecture)
    batch = inputs()

    @tf.function
    def full() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            logits = tf.gather_nd(model(batch).logits, INDICES)
            loss = tf.reduce_mean(tf.nn.log_softmax(logits)[:, 7])
        return logits, tape.gradient(loss, model.trainable_variables)

    @tf.function
    def masked() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            logits = masked_logits(model, batch, INDICES)
            loss = tf.reduce_mean(tf.nn.log_softmax(logits)[:, 7])
        return logits, tape.gradient(loss, model.trainable_variables)

    want, want_gradients = full()
    got, got_gradients = masked()
    scale = max(1.0, float(tf.reduce_max(tf.abs(want))))
    np.testing.assert_allclose(got / scale, want / scale, atol=1e-6)
    assert float(tf.math.reduce_std(want)) > 1e-3
    for expected, received in zip(want_gradients, got_gradients, strict=True):
        if expected is None:
            assert received is None
        else:
            expected, received = tf.convert_to_tensor(expected), tf.convert_to_tensor(received)
            norm = max(1.0, float(tf.norm(expected)))
            np.testing.assert_allclose(received / norm, expected / norm, atol=1e-6)


def test_the_model_itself_is_unchanged() -> None:
    model = small_model("bert")
    batch = inputs()
    before = model(batch).logits
    masked_logits(model, batch, INDICES)
    np.testing.assert_array_equal(model(batch).logits, before)
    assert before.shape == (3, 16, 99)


@pytest.mark.parametrize(
    "architecture",
    ["bert", "camembert", "electra", "roberta", "roberta-prelayernorm", "xlm-roberta"],
)
def test_the_last_feed_forward_layer_runs_at_the_positions_alone(architecture: str) -> None:
    model = small_model(architecture)
    first, last = (layer.intermediate for layer in base_layer(model).encoder.layer)
    seen = []
    for layer in (first, last):
        call = layer.call
        layer.call = lambda hidden_states, call=call: (
            seen.append(tuple(hidden_states.shape)) or call(hidden_states)
        )
    masked_logits(model, inputs(), INDICES)
    assert seen == [(3, 16, 32), (1, 3, 32)]


def test_no_position_gives_no_row() -> None:
    logits = masked_logits(small_model("roberta"), inputs(), tf.zeros([0, 2], tf.int32))
    assert logits.shape == (0, 99)


def test_a_failing_call_leaves_no_request_behind() -> None:
    model = small_model("bert")
    with pytest.raises(Exception, match="indices|index"):
        masked_logits(model, inputs(), tf.constant([[9, 0]]))
    assert model(inputs()).logits.shape == (3, 16, 99)


@pytest.mark.parametrize("architecture", ["bert", "funnel", "mobilebert", "modernbert", "xlm"])
def test_encoder_and_head_apart_in_any_order(architecture: str) -> None:
    model = small_model(architecture)
    width = masked_hidden(small_model(architecture), inputs(), INDICES).shape[-1]
    assert head_logits(model, tf.zeros([2, width])).shape == (2, 99)  # nothing ran before
    rows = masked_hidden(model, inputs(), INDICES)
    expected = masked_logits(model, inputs(), INDICES)
    np.testing.assert_allclose(head_logits(model, rows), expected, atol=1e-6)
    np.testing.assert_allclose(head_logits(model, rows[1:]), expected[1:], atol=1e-6)
    np.testing.assert_allclose(masked_logits(model, inputs(), INDICES), expected, atol=1e-6)
