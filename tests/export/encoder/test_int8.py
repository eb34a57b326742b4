"""Exports in 8-bit integers: the arithmetic against NumPy, then whole exports."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

import tfmlm
from tests.export.exported import bert, int8_bert, loaded_bert, masked_texts
from tests.small_models import small_model
from tfmlm.checkpoint.masked_positions import masked_logits
from tfmlm.errors import RunFailedError, UserError
from tfmlm.export.encoder.int8 import Int8Dense, Int8Rows, int8_predictor
from tfmlm.export.encoder.packed_parts import ARCHITECTURES
from tfmlm.export.loader import read_record

GENERATOR = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape).astype(np.float32)


def integers(values: np.ndarray, limit: np.ndarray | float) -> np.ndarray:
    """Halves away from zero, cut off at ±127."""
    scaled = values.astype(np.float64) / limit * 127
    return np.clip(np.sign(scaled) * np.floor(np.abs(scaled) + 0.5), -127, 127)


def multiplied(
    rows: np.ndarray, limit: float, kernel: np.ndarray, bias: np.ndarray | None
) -> np.ndarray:
    """Products of integers; kernel [inputs, outputs], a scale for each output."""
    limits = np.abs(kernel).max(0) * (127 / 63)
    sums = integers(rows, limit) @ integers(kernel, limits)
    product = sums * (limit / 127) * (limits / 127)
    return product if bias is None else product + bias


def in_graph(run, rows: np.ndarray) -> np.ndarray:
    spec = tf.TensorSpec([None, rows.shape[1]])
    return tf.function(run, autograph=False).get_concrete_function(spec)(tf.constant(rows)).numpy()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_products_are_those_of_integers(transposed: bool, with_bias: bool) -> None:
    # Outputs of sizes from 0.01 to 100 show that each has a scale of its own.
    kernel = normal(24, 40) * np.logspace(-2, 2, 40, dtype=np.float32)
    kernel[:, 7] = 0
    bias = normal(40) if with_bias else None
    given = tf.Variable(kernel.T if transposed else kernel)
    dense = Int8Dense(given, None if bias is None else tf.Variable(bias), transposed)
    seen = normal(9, 24)
    exact = seen @ kernel + (0 if bias is None else bias)
    np.testing.assert_allclose(dense(tf.constant(seen)), exact, rtol=1e-4, atol=1e-4)
    dense.round_weights()
    limit = float(np.abs(seen).max())
    # Half of the rows hold more than any value that was seen: it is cut off.
    rows = np.concatenate([seen[:4], 3 * seen[4:]])
    kernel[:, 7] = 0
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(multiplied(rows, limit, kernel, None))
    expected = expected + (0 if bias is None else bias)
    np.testing.assert_allclose(in_graph(dense, rows), expected, rtol=1e-5, atol=1e-4)
    # No row depends on the others.
    alone = np.concatenate([in_graph(dense, row[np.newaxis]) for row in rows])
    np.testing.assert_array_equal(in_graph(dense, rows), alone)


@pytest.mark.parametrize("name", ["gelu", "gelu_new", "relu"])
def test_activations_between_two_products(name: str) -> None:
    from transformers.activations_tf import get_tf_activation

    first, second = normal(16, 48) * 0.3, normal(48, 16) * 0.3
    inner = Int8Dense(tf.Variable(first), tf.Variable(normal(48)))
    outer = Int8Dense(tf.Variable(second), tf.Variable(normal(16)))
    activation = get_tf_activation(name)
    rows = normal(33, 16)

    def run(given: tf.Tensor) -> tf.Tensor:
        return inner.through(inner.taken(given), activation, outer)

    exact = run(tf.constant(rows)).numpy()
    limits = float(np.abs(rows).max()), 0.0
    middle = rows @ first + inner.bias.numpy()
    functions = {
        "gelu": lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
        "gelu_new": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        "relu": lambda x: np.maximum(x, 0),
    }
    limits = limits[0], float(np.abs(functions[name](middle)).max())
    biases = inner.bias.numpy(), outer.bias.numpy()
    for dense in (inner, outer):
        dense.round_weights()
    middle = functions[name](multiplied(rows, limits[0], first, biases[0]))
    expected = multiplied(middle, limits[1], second, biases[1])
    found = in_graph(run, rows)
    # One step of the integers between the two may be rounded the other way.
    step = limits[1] / 127 * np.abs(second).max()
    assert np.abs(found - expected).max() < 1.01 * step
    assert np.abs(found - expected).mean() < step / 10
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.999


def test_rows_of_a_table() -> None:
    table = normal(30, 8) * np.logspace(-1, 1, 30, dtype=np.float32)[:, np.newaxis]
    limits = np.abs(table).max(1, keepdims=True) * (127 / 63)
    expected = (integers(table, limits) * limits / 127)[[3, 29, 3]]
    numbers = tf.constant([3, 29, 3])
    np.testing.assert_allclose(Int8Rows(tf.Variable(table))(numbers), expected, rtol=1e-6)
    output = Int8Dense(tf.Variable(table), tf.Variable(normal(30)), transposed=True)
    output.round_weights()
    shared = Int8Rows(output)
    assert shared.table is output.kernel
    np.testing.assert_allclose(shared(numbers), expected, rtol=1e-6)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_every_packed_architecture(architecture: str) -> None:
    model = small_model(architecture)
    mask = 4
    rows = [GENERATOR.integers(5, model.config.vocab_size, size=n).astype(np.int32) for n in (9, 5)]
    for row in rows:
        row[len(row) // 2] = mask
    predictor = int8_predictor(model, None, rows, mask)
    ids = np.full([2, 9], model.config.pad_token_id or 0, np.int32)
    seen = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)], seen[number, : len(row)] = row, 1
    places = tf.constant([[0, 4], [1, 2]])
    given = tf.constant(ids), tf.constant(seen)
    found = tf.function(lambda i, s: predictor(i, s, places), autograph=False)(*given).numpy()
    expected = masked_logits(
        model, {"input_ids": given[0], "attention_mask": given[1]}, places
    ).numpy()
    for one, other in zip(found, expected, strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.995
    assert not np.array_equal(found, expected)


def test_refused() -> None:
    with pytest.raises(UserError, match=r"int8 is for bert, .*; export funnel in float32"):
        int8_predictor(small_model("funnel"), None, [np.array([4], np.int32)], 4)
    with pytest.raises(UserError, match="texts with masks to set its scales by"):
        int8_predictor(small_model("bert"), None, [np.array([5, 6], np.int32)], 4)


def test_export() -> None:
    path = int8_bert().path
    record = read_record(path)
    assert record["model"]["dtype"] == "int8"
    assert record["oldest_tf_serving"] == "2.17"
    assert 0.7 < record["self_test"]["top1_agreement"] <= 1
    data = "variables/variables.data-00000-of-00001"
    share = (path / data).stat().st_size / (bert().path / data).stat().st_size
    assert share < 0.35
    texts = masked_texts(40, "[MASK]", seed=8)
    fill = tfmlm.load(path)
    found, exact = fill.fill_arrays(texts), loaded_bert().fill_arrays(texts)
    assert (found["token"][:, 0, 0] == exact["token"][:, 0, 0]).mean() > 0.7
    assert abs(found["score"][:, 0, 0] - exact["score"][:, 0, 0]).max() < 0.05
    # Texts answer alone as they do among others.
    for row in range(0, 40, 8):
        alone = fill.fill_arrays(texts[row : row + 1])
        best = np.argsort(-found["score"][row, 0])
        np.testing.assert_allclose(
            alone["score"][0, 0], found["score"][row, 0][best], rtol=0.02, atol=1e-6
        )


def test_less_agreement_than_asked_for_is_an_error(tmp_path, monkeypatch) -> None:
    from tfmlm.export.writing import saved_model

    found = {"top1_agreement": 0.9499}
    judged = []

    def validate(*given):
        judged.append(given[3:])
        return dict(found)

    monkeypatch.setattr(saved_model, "validate_export", validate)
    export = tmp_path / "export"
    with pytest.raises(
        RunFailedError, match=r"at 94.99% of the masks .* min_agreement 95.00%; give"
    ):
        tfmlm.export_saved_model(bert().model, bert().tokenizer, export, dtype="int8")
    assert not export.exists()
    # Texts of one's own: four of five set the scales, the fifth judges.
    texts = [f"word {number} [MASK]" for number in range(25)]
    asked = {"dtype": "int8", "warmup_texts": texts}
    with pytest.raises(RunFailedError, match=r"94.99%"):
        tfmlm.export_saved_model(bert().model, bert().tokenizer, export, **asked)
    assert judged[1:] == [(), (texts[::5],)]
    assert saved_model._divided(texts, True) == (
        [text for text in texts if text not in texts[::5]],
        texts[::5],
    )
    assert saved_model._divided(texts[:20], True) == (texts[:20], texts[:20])
    assert saved_model._divided(texts, False) == (texts, [])
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(UserError, match="min_agreement is"):
            tfmlm.export_saved_model("m", None, export, min_agreement=wrong)
