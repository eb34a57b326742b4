"""Small layers against their formulas in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.architectures.layers import (
    _ACTIVATIONS,
    Decoder,
    TokenEmbeddings,
    TruncatedNormal,
    activation,
)
from tfmlm.errors import UserError

X = np.array([-12.0, -6.5, -3.0, -1.0, -0.3, 0.0, 0.2, 0.707, 1.0, 2.5, 6.5, 12.0])
_erf = np.vectorize(math.erf)


def _gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + _erf(x / math.sqrt(2)))


def _tanh_gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": _gelu,
    "gelu_python": _gelu,
    "gelu_10": lambda x: np.clip(_gelu(x), -10, 10),
    "gelu_new": _tanh_gelu,
    "gelu_fast": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "gelu_python_tanh": _tanh_gelu,
    "gelu_accurate": _tanh_gelu,
    "laplace": lambda x: 0.5 * (1 + _erf((x - 0.707107) / (0.282095 * math.sqrt(2)))),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
    "linear": lambda x: x,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "quick_gelu": lambda x: x * _sigmoid(1.702 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "swish": lambda x: x * _sigmoid(x),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", _ACTIVATIONS)
def test_activations_are_their_formulas(name: str) -> None:
    found = activation(name, "hidden_act")(tf.constant(X, tf.float32))
    np.testing.assert_allclose(found, FORMULAS[name](X), rtol=2e-6, atol=2e-6)


def test_an_activation_with_weights_is_refused_by_its_field() -> None:
    with pytest.raises(UserError, match="^hidden_act is 'xielu', .*choose from gelu, gelu_10"):
        activation("xielu", "hidden_act")


@pytest.mark.parametrize("cutoff", [1.0, 2.0, 3.0])
def test_the_cut_normal_law_has_its_own_variance(cutoff: float) -> None:
    tf.random.set_seed(7)
    values = TruncatedNormal(0.05, cutoff)([40_000]).numpy() / 0.05
    density = math.exp(-(cutoff**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * cutoff * density / math.erf(cutoff / math.sqrt(2))
    assert np.abs(values).max() <= cutoff * (1 + 1e-6)
    assert np.abs(values).max() > 0.95 * cutoff
    assert abs(values.mean()) < 0.03
    assert values.var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
def test_logits_are_products_with_the_table(tied: bool, use_bias: bool) -> None:
    generator = np.random.default_rng(0)
    embeddings = TokenEmbeddings(11, 4, "zeros", name="tokens")
    embeddings.build()
    decoder = Decoder(embeddings, tied, use_bias, "zeros", name="decoder")
    decoder.build()
    for weight in (*embeddings.weights, *decoder.weights):
        weight.assign(generator.normal(size=weight.shape))
    table = (embeddings if tied else decoder).weight.numpy()
    hidden = generator.normal(size=(2, 3, 4)).astype(np.float32)
    expected = hidden @ table.T + (decoder.bias.numpy() if use_bias else 0.0)
    np.testing.assert_allclose(decoder(hidden), expected, atol=1e-5)
    ids = np.array([[3, 0, 10]])
    np.testing.assert_array_equal(embeddings(ids), embeddings.weight.numpy()[ids])
    assert (decoder.get_bias() is None) == (not use_bias)
    other = tf.Variable(generator.normal(size=(13, 4)).astype(np.float32))
    decoder.set_output_embeddings(other)
    if use_bias:
        decoder.set_bias({"bias": tf.Variable(tf.zeros([13]))})
    np.testing.assert_allclose(decoder(hidden), hidden @ other.numpy().T, atol=1e-5)
    assert (embeddings.vocab_size == 13) == tied
