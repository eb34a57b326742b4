"""EuroBERT against PyTorch's of transformers 5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.architectures.reference import assert_equal, load, make_checkpoints, python_with
from tfmlm.architectures import eurobert
from tfmlm.architectures.eurobert_config import EuroBertConfig

_BASE: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "mask_token_id": 4,
    "rope_parameters": {"rope_type": "default", "rope_theta": 250000.0},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "one_key_head": {"num_key_value_heads": 1},
    "all_key_heads": {"num_key_value_heads": 4},
    "head_dim": {"head_dim": 12},
    "mlp_bias": {"mlp_bias": True},
    "attention_bias": {"attention_bias": True},
    "tied": {"tie_word_embeddings": True},
    "gelu": {"hidden_act": "gelu"},
    "epsilon": {"rms_norm_eps": 1e-3},
    "default_theta": {"rope_parameters": None},
}


def case(name: str, tokens: int, *lengths: int, **options: Any) -> dict[str, Any]:
    return {
        "name": name,
        "model_type": "eurobert",
        "config": {**_BASE, **options},
        "tokens": tokens,
        "lengths": [tokens, *lengths],
    }


CASES = [
    *(case(name, 20, 11, 1, **extra) for name, extra in OPTIONS.items()),
    case("one_token", 1),
    case("long", 1100, 700),
    {**case("sharded", 20, 9), "shard": True},
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pytorch")
    make_checkpoints(python_with(transformers=5), root, CASES)
    return root


@pytest.mark.parametrize("name", [c["name"] for c in CASES])
def test_logits_and_gradients_are_pytorchs(name: str, checkpoints: Path) -> None:
    assert_equal(load(checkpoints, name), checkpoints, name)


def test_graphs_that_know_no_length_compute_the_same(checkpoints: Path) -> None:
    assert_equal(load(checkpoints, "usual"), checkpoints, "usual", graph=True)


def _interleaved_heads(x: tf.Tensor, served: int, axis: int) -> tf.Tensor:
    return tf.concat([x] * served, axis=axis)


def _gate_after(layer: Any, hidden: tf.Tensor) -> tf.Tensor:
    return layer.down_proj(layer.gate_proj(hidden) * layer.act(layer.up_proj(hidden)))


def _centred(layer: Any, inputs: tf.Tensor) -> tf.Tensor:
    return layer.gamma * tf.nn.batch_normalization(
        inputs, *tf.nn.moments(inputs, -1, keepdims=True), None, None, layer.epsilon
    )


def _no_last_norm(patch: pytest.MonkeyPatch, model: Any) -> None:
    model.model.norm = tf.identity


MUTATIONS: dict[str, Any] = {
    "heads of keys in turns": lambda patch, model: patch.setattr(tf, "repeat", _interleaved_heads),
    "activation on the other half": lambda patch, model: patch.setattr(
        eurobert.TFEuroBertMLP, "call", _gate_after
    ),
    "centred norms": lambda patch, model: patch.setattr(eurobert.RMSNorm, "call", _centred),
    "no last norm": _no_last_norm,
    "another theta": lambda patch, model: setattr(model.config, "rope_theta", 10000.0),
}


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_mistakes_are_noticed(
    mistake: str, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(checkpoints, "usual")
    MUTATIONS[mistake](monkeypatch, model)
    with pytest.raises(AssertionError, match="logits differ"):
        assert_equal(model, checkpoints, "usual")


def test_new_models_are_initialised_as_the_reference_does() -> None:
    config = EuroBertConfig(
        **{**_BASE, "vocab_size": 3000, "attention_bias": True, "pad_token_id": 5}
    )
    model = eurobert.TFEuroBertForMaskedLM(config)
    model.build_in_name_scope()
    for weight in model.weights:
        value = weight.numpy()
        if weight.name.endswith("bias:0"):
            assert (value == 0).all()
        elif weight.name.endswith("gamma:0"):
            assert (value == 1).all()
        else:
            np.testing.assert_allclose(value.std(), 0.02, rtol=0.1)
            assert np.abs(value).max() > 0.05
    assert (model.model.embed_tokens.weight.numpy()[5] == 0).all()
