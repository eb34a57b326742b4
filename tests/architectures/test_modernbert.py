"""ModernBERT against PyTorch's: every option, lengths around windows, and what must not pass."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from safetensors.numpy import load_file

from tests.architectures.reference import assert_equal, load, make_checkpoints, python_with
from tests.small_models import small_model
from tfmlm.architectures import attention, modernbert
from tfmlm.architectures.layers import activation

_BASE: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
}
_SMALL_WINDOW = {"local_attention": 8}
#: Name -> options beside those of `_BASE`; a window of 4 on both sides, 20 tokens.
OPTIONS: dict[str, dict[str, Any]] = {
    "every_1": {"global_attn_every_n_layers": 1},
    "every_2": {"global_attn_every_n_layers": 2},
    "every_3": {"global_attn_every_n_layers": 3},
    "local_theta_none": {"local_rope_theta": None},
    "thetas": {"local_rope_theta": 160000.0, "global_rope_theta": 1000.0},
    "norm_bias": {"norm_bias": True},
    "attention_bias": {"attention_bias": True},
    "mlp_bias": {"mlp_bias": True},
    "classifier_bias": {"classifier_bias": True},
    "no_decoder_bias": {"decoder_bias": False},
    "untied": {"tie_word_embeddings": False},
    "untied_without_bias": {"tie_word_embeddings": False, "decoder_bias": False},
    "norm_eps": {"norm_eps": 1e-3},
    "odd_window": {"local_attention": 7},
    "window_of_one": {"local_attention": 1},
    "one_head": {"num_attention_heads": 1},
    "sparse": {"sparse_prediction": True, "sparse_pred_ignore_index": -100},
    **{
        f"activation_{name}": {"hidden_activation": name, "classifier_activation": other}
        for name, other in [
            ("silu", "gelu_new"),
            ("relu", "tanh"),
            ("quick_gelu", "relu2"),
            ("mish", "sigmoid"),
            ("gelu_10", "leaky_relu"),
            ("laplace", "relu6"),
            ("gelu_fast", "linear"),
            ("gelu_pytorch_tanh", "gelu_accurate"),
            ("swish", "gelu_python"),
        ]
    },
}
#: Tokens of a text with windows of 64 on both sides; the second row of the batch is shorter.
LENGTHS = (1, 2, 63, 64, 65, 66, 127, 128, 129, 130, 131, 300, 1024, 1100)


def case(name: str, tokens: int, *lengths: int, **options: Any) -> dict[str, Any]:
    return {
        "name": name,
        "model_type": "modernbert",
        "config": {**_BASE, **options},
        "tokens": tokens,
        "lengths": [tokens, *lengths],
    }


CASES = [
    *(case(name, 20, 11, 1, **{**_SMALL_WINDOW, **extra}) for name, extra in OPTIONS.items()),
    *(case(f"length_{n}", n, *([n - n // 4] if n > 1 else [])) for n in LENGTHS),
    case("cut", 200, 131, 3, **_SMALL_WINDOW),
    {**case("sharded", 20, 9, **_SMALL_WINDOW), "shard": True},
]
#: What only version 5 can say, and what it says in other words.
CASES_5 = [
    case("v5_default", 150, 90),
    case(
        "v5_thetas",
        20,
        7,
        **_SMALL_WINDOW,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 160000.0},
        },
        layer_types=["full_attention", "sliding_attention"] * 2,
    ),
    case(
        "v5_layers",
        20,
        7,
        **_SMALL_WINDOW,
        layer_types=["sliding_attention", "full_attention", "full_attention", "sliding_attention"],
    ),
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of checkpoints and results of PyTorch with transformers 4.57."""
    root = tmp_path_factory.mktemp("pytorch")
    make_checkpoints(python_with(transformers=4), root, CASES)
    return root


@pytest.fixture(scope="module")
def checkpoints_5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with transformers 5."""
    root = tmp_path_factory.mktemp("pytorch5")
    make_checkpoints(python_with(transformers=5), root, CASES_5)
    return root


@pytest.mark.parametrize("name", [c["name"] for c in CASES])
def test_logits_and_gradients_are_pytorchs(name: str, checkpoints: Path) -> None:
    assert_equal(load(checkpoints, name), checkpoints, name)


@pytest.mark.parametrize("name", ["every_3", "length_300", "length_1100"])
def test_graphs_that_know_no_length_compute_the_same(name: str, checkpoints: Path) -> None:
    assert_equal(load(checkpoints, name), checkpoints, name, graph=True)


@pytest.mark.parametrize("name", ["every_3", "cut", "length_1100"])
def test_xla_compiles_graphs_that_know_no_length(name: str, checkpoints: Path) -> None:
    assert_equal(load(checkpoints, name), checkpoints, name, graph=True, jit_compile=True)


@pytest.mark.parametrize("name", [c["name"] for c in CASES_5])
def test_configs_of_transformers_5_are_understood(name: str, checkpoints_5: Path) -> None:
    written = json.loads((checkpoints_5 / name / "config.json").read_text())
    assert "rope_parameters" in written and "global_rope_theta" not in written
    assert_equal(load(checkpoints_5, name), checkpoints_5, name)


def test_the_sharded_checkpoint_has_several_files(checkpoints: Path) -> None:
    assert len(list((checkpoints / "sharded").glob("*.safetensors"))) > 1


def _swap_halves(layer: Any, hidden: tf.Tensor, training: bool = False) -> tf.Tensor:
    gate, inner = tf.split(layer.Wi(hidden), 2, axis=-1)
    return layer.Wo(layer.act(inner) * gate)


def _interleaved(vectors: tf.Tensor, turn: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    cosine, sine = turn
    even, odd = vectors[..., ::2], vectors[..., 1::2]
    pairs = tf.stack([even * cosine - odd * sine, odd * cosine + even * sine], axis=-1)
    return tf.reshape(pairs, tf.shape(vectors))


def _window(change: Callable[[int], int]) -> Callable[[pytest.MonkeyPatch, Any], None]:
    def mutate(patch: pytest.MonkeyPatch, model: Any) -> None:
        right = attention.LocalAttention

        def wrong(sight: Any, reach: int, dtype: Any) -> Any:
            return right(sight, change(reach), dtype)

        patch.setattr(modernbert, "LocalAttention", wrong)

    return mutate


def _patched(name: str, value: Any, owner: Any = modernbert) -> Any:
    return lambda patch, model: patch.setattr(owner, name, value)


def _projection_order(order: list[int]) -> Any:
    def mutate(patch: pytest.MonkeyPatch, model: Any) -> None:
        for layer in model.model.layers:
            parts = tf.split(layer.attn.Wqkv.kernel, 3, axis=1)
            layer.attn.Wqkv.kernel.assign(tf.concat([parts[i] for i in order], axis=1))

    return mutate


def _one_theta(patch: pytest.MonkeyPatch, model: Any) -> None:
    model.config.local_rope_theta = model.config.global_rope_theta


def _norm_in_layer_0(patch: pytest.MonkeyPatch, model: Any) -> None:
    model.model.layers[0].attn_norm = tf_keras.layers.LayerNormalization(epsilon=1e-5, center=False)


def _no_final_norm(patch: pytest.MonkeyPatch, model: Any) -> None:
    model.model.final_norm = tf.identity


def _tanh_gelu(patch: pytest.MonkeyPatch, model: Any) -> None:
    for layer in model.model.layers:
        layer.mlp.act = activation("gelu_pytorch_tanh", "")


def _tanh_gelu_in_head(patch: pytest.MonkeyPatch, model: Any) -> None:
    model.head.act = activation("gelu_pytorch_tanh", "")


def _tiny_epsilon(patch: pytest.MonkeyPatch, model: Any) -> None:
    for layer in model.submodules:
        if isinstance(layer, tf_keras.layers.LayerNormalization):
            layer.epsilon = 1e-12


def _bias_in_head(patch: pytest.MonkeyPatch, model: Any) -> None:
    dense = model.head.dense
    dense.use_bias, dense.bias = True, tf.Variable(tf.fill([32], 0.1), trainable=False)


def _all_layers(kind: str) -> Any:
    def mutate(patch: pytest.MonkeyPatch, model: Any) -> None:
        for layer in model.model.layers:
            layer.attn.kind = kind
        model.model.kinds = [kind] * 4

    return mutate


#: Mistakes that such a model can have; each must be noticed.
MUTATIONS: dict[str, Any] = {
    "window one less": _window(lambda reach: reach - 1),
    "window one more": _window(lambda reach: reach + 1),
    "window of both halves": _window(lambda reach: 2 * reach),
    "no window": _window(lambda reach: 10**6),
    "halves swapped": _patched("call", _swap_halves, modernbert.TFModernBertMLP),
    "keys before queries": _projection_order([1, 0, 2]),
    "values first": _projection_order([2, 0, 1]),
    "interleaved rotary": _patched("rotate", _interleaved),
    "no rotary": _patched("rotate", lambda vectors, turn: vectors),
    "one theta": _one_theta,
    "norm in layer 0": _norm_in_layer_0,
    "no final norm": _no_final_norm,
    "tanh GELU": _tanh_gelu,
    "tanh GELU in the head": _tanh_gelu_in_head,
    "epsilon of 1e-12": _tiny_epsilon,
    "bias in the head": _bias_in_head,
    "all layers global": _all_layers("full_attention"),
    "all layers local": _all_layers("sliding_attention"),
}


@pytest.mark.parametrize("mistake", MUTATIONS)
@pytest.mark.parametrize("name", ["length_300"])
def test_mistakes_are_noticed(
    mistake: str, name: str, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(checkpoints, name)
    MUTATIONS[mistake](monkeypatch, model)
    with pytest.raises(AssertionError, match="logits differ"):
        assert_equal(model, checkpoints, name)


def test_a_bias_that_the_head_has_not_is_missing(checkpoints: Path) -> None:
    with pytest.raises(AssertionError, match=r"head\.dense\.bias"):
        load(checkpoints, "every_3", classifier_bias=True)


def test_nothing_imports_torch(checkpoints: Path) -> None:
    code = (
        "import sys, tfmlm\n"
        "from transformers import TFAutoModel, TFAutoModelForMaskedLM\n"
        "model = TFAutoModelForMaskedLM.from_pretrained(sys.argv[1])\n"
        "encoder = TFAutoModel.from_pretrained(sys.argv[1])\n"
        "assert 'torch' not in sys.modules\n"
        "print(type(model).__name__, type(encoder).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(checkpoints / "every_3")], capture_output=True, text=True
    )
    assert done.stdout == "TFModernBertForMaskedLM TFModernBertModel\n", done.stderr[-2000:]


def test_hidden_states_end_before_the_final_norm() -> None:
    model = small_model("modernbert")
    ids = np.arange(6, 26)[None]
    outputs = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
    assert [x.shape for x in outputs.hidden_states] == [(1, 20, 32)] * 5
    last = model.model(input_ids=ids).last_hidden_state
    np.testing.assert_allclose(model.model.final_norm(outputs.hidden_states[-1]), last, atol=1e-6)
    reach = np.abs(np.arange(20)[:, None] - np.arange(20)) <= 4
    for kind, weights in zip(model.model.kinds, outputs.attentions, strict=True):
        assert weights.shape == (1, 4, 20, 20)
        np.testing.assert_allclose(tf.reduce_sum(weights, -1), np.ones((1, 4, 20)), atol=1e-5)
        seen = np.broadcast_to(reach if kind == "sliding_attention" else True, (1, 4, 20, 20))
        np.testing.assert_array_equal(weights.numpy() > 0, seen)


@pytest.mark.parametrize(("cutoff", "within"), [(2.0, 2.0), (1.0, 1.0), (None, 3.0)])
def test_new_models_are_initialised_as_the_reference_does(
    cutoff: float | None, within: float
) -> None:
    config = modernbert.ModernBertConfig(
        vocab_size=3000,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.05,
        initializer_cutoff_factor=cutoff,
        norm_bias=True,
        attention_bias=True,
        tie_word_embeddings=False,
    )
    tf_keras.utils.set_random_seed(7)
    model = modernbert.TFModernBertForMaskedLM(config)
    model.build_in_name_scope()
    # Variance of a normal law cut at ±c: 1 - 2 c density(c) / probability(|x| < c).
    inside = {1.0: 0.291125, 2.0: 0.773741, 3.0: 0.973337}[within]
    for weight in model.weights:
        name, value = weight.name, weight.numpy()
        if name.endswith(("bias:0", "beta:0")):
            assert (value == 0).all()
        elif name.endswith("gamma:0"):
            assert (value == 1).all()
        else:
            out = "Wo" in name or "head/dense" in name or "decoder" in name
            std = 0.05 / (2.0 if out else 1.0)
            assert np.abs(value).max() <= within * std * (1 + 1e-6)
            assert np.abs(value).max() > 0.9 * within * std
            # five standard errors of the variance of so many numbers of a normal law
            spread = 5 * (2 / value.size) ** 0.5
            np.testing.assert_allclose(value.var() / std**2, inside, rtol=spread)


@pytest.mark.parametrize("tied", [True, False])
def test_the_vocabulary_grows(tied: bool, tmp_path: Path) -> None:
    from tfmlm.checkpoint.save import save_model

    model = small_model("modernbert", tie_word_embeddings=tied)
    ids = np.arange(6, 26)[None]
    before = model(input_ids=ids).logits.numpy()
    model.resize_token_embeddings(110)
    after = model(input_ids=ids).logits.numpy()
    assert after.shape == (1, 20, 110)
    np.testing.assert_allclose(after[..., :99], before, atol=1e-5)
    save_model(model, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert state["model.embeddings.tok_embeddings.weight"].shape == (110, 32)
    assert ("decoder.weight" in state) == (not tied)
    again = load(tmp_path.parent, tmp_path.name)
    np.testing.assert_allclose(again(input_ids=ids).logits, after, atol=1e-6)
