"""What of a config PyTorch's classes obey and transformers' TF classes do not.

- `pad_token_id`: RoBERTa and its kin count positions from it; the TF classes count from 1.
  https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/roberta/modeling_tf_roberta.py#L75
- `tie_word_embeddings`: false gives the output a matrix of its own, true the input's; most TF
  classes share it and MobileBERT's and ESM's do not, whatever it says.
  https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/bert/modeling_tf_bert.py#L676
- Names of weights that differ, and activations that the TF side has under another name.
- MobileBERT's `layer_norm`: two of PyTorch's norms have PyTorch's own epsilon.

The classes are changed as soon as transformers imports them, so that every way to make a model
gives the right one: `from_pretrained`, `from_config`, a copy of `type(model)(model.config)`.
What cannot be obeyed is refused by `require_obeyed`. All of it was found by comparing random
configs with PyTorch, which `tests/checkpoint/test__switches.py` does again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from tfmlm.errors import UserError

#: Module of transformers' models -> the class of its embeddings that counts from padding.
_EMBEDDINGS = {
    "camembert": "TFCamembertEmbeddings",
    "longformer": "TFLongformerEmbeddings",
    "roberta": "TFRobertaEmbeddings",
    "roberta_prelayernorm": "TFRobertaPreLayerNormEmbeddings",
    "xlm_roberta": "TFXLMRobertaEmbeddings",
}
#: Module -> the masked LM, and where below its head PyTorch keeps an output matrix of its own.
_MODELS = {
    "albert": ("TFAlbertForMaskedLM", "decoder/weight"),
    "bert": ("TFBertForMaskedLM", "decoder/weight"),
    "camembert": ("TFCamembertForMaskedLM", "decoder/weight"),
    "convbert": ("TFConvBertForMaskedLM", "weight"),
    "deberta": ("TFDebertaForMaskedLM", "decoder/weight"),
    "deberta_v2": ("TFDebertaV2ForMaskedLM", "decoder/weight"),
    "distilbert": ("TFDistilBertForMaskedLM", "weight"),
    "electra": ("TFElectraForMaskedLM", "weight"),
    "flaubert": ("TFFlaubertWithLMHeadModel", "weight"),
    "funnel": ("TFFunnelForMaskedLM", "weight"),
    "layoutlm": ("TFLayoutLMForMaskedLM", "decoder/weight"),
    "longformer": ("TFLongformerForMaskedLM", "decoder/weight"),
    "mpnet": ("TFMPNetForMaskedLM", "decoder/weight"),
    "roberta": ("TFRobertaForMaskedLM", "decoder/weight"),
    "roberta_prelayernorm": ("TFRobertaPreLayerNormForMaskedLM", "decoder/weight"),
    "roformer": ("TFRoFormerForMaskedLM", "decoder/weight"),
    "tapas": ("TFTapasForMaskedLM", "decoder/weight"),
    "xlm": ("TFXLMWithLMHeadModel", "weight"),
    "xlm_roberta": ("TFXLMRobertaForMaskedLM", "decoder/weight"),
}
#: Module -> the masked LM whose own output matrix has to become the input's.
_UNTIED = {
    "esm": "TFEsmForMaskedLM",
    "mobilebert": "TFMobileBertForMaskedLM",
}
#: Activations that PyTorch knows by more names than the TF side.
_ACTIVATIONS: dict[str, Callable[[Any], Any] | str] = {
    "gelu_python": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_python_tanh": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "linear": lambda x: x,
    "relu2": lambda x: _nn().relu(x) ** 2,
    "relu6": lambda x: _nn().relu6(x),
    "leaky_relu": lambda x: _nn().leaky_relu(x, alpha=0.01),
}


def obey_switches_when_imported() -> None:
    """Changes transformers' classes as soon as it imports them."""
    for kind in {*_EMBEDDINGS, *_MODELS, *_UNTIED}:
        name = f"transformers.models.{kind}.modeling_tf_{kind}"
        wrapt.when_imported(name)(functools.partial(_change, kind))
    wrapt.when_imported("transformers.activations_tf")(_add_activations)


def require_obeyed(config: Any) -> None:
    """Raises `UserError` where a setting that PyTorch obeys would be ignored, naming it."""
    kind = config.model_type
    value = functools.partial(getattr, config)
    refused = [
        (bool(value("pruned_heads", None)), "pruned_heads"),
        (value("is_decoder", False), "is_decoder"),
        (value("add_cross_attention", False), "add_cross_attention"),
        (
            value("position_embedding_type", None) not in (None, "absolute")
            and not (kind == "esm" and config.position_embedding_type == "rotary"),
            "position_embedding_type",
        ),
    ]
    if kind in ("flaubert", "xlm"):
        refused += [(config.causal, "causal"), (config.asm, "asm")]
        refused += [(not config.is_encoder, "is_encoder")]
        refused += [(kind == "xlm" and config.sinusoidal_embeddings, "sinusoidal_embeddings")]
    if kind in ("deberta", "deberta-v2"):
        width = value("embedding_size", config.hidden_size)
        positions = config.position_biased_input and width != config.hidden_size
        refused += [(value("talking_head", False), "talking_head"), (positions, "embedding_size")]
        groups = value("conv_kernel_size", 0) > 0 and value("conv_groups", 1) != 1
        refused += [(groups, "conv_groups")]
    if kind == "convbert":
        heads = max(config.num_attention_heads // config.head_ratio, 1)
        refused += [(config.num_attention_heads != 2 * heads, "head_ratio")]
    if kind == "esm":  # transformers 5 obeys it
        refused += [(value("rope_theta", None) not in (None, 10_000), "rope_theta")]
    for wrong, name in refused:
        if wrong:
            raise UserError(
                f"config.json of the {kind} has {name} {getattr(config, name)!r}, which "
                "transformers' TensorFlow code does not compute as PyTorch does"
            )


def _nn() -> Any:
    import tensorflow as tf

    return tf.nn


def _add_activations(module: ModuleType) -> None:
    for name, function in _ACTIVATIONS.items():
        known = module.ACT2FN[function] if isinstance(function, str) else function
        module.ACT2FN.setdefault(name, known)


def _change(kind: str, module: ModuleType) -> None:
    if kind in _EMBEDDINGS:
        _after(getattr(module, _EMBEDDINGS[kind]), "__init__", _count_from_padding)
    if kind in _MODELS:
        name, place = _MODELS[kind]
        model = getattr(module, name)
        _after(model, "__init__", functools.partial(_untie, place=place))
        model.tf_to_pt_weight_rename = _other_names
    if kind in _UNTIED:
        model = getattr(module, _UNTIED[kind])
        _after(model, "build", _tie)
        model.tf_to_pt_weight_rename = _other_names
    if kind == "mobilebert":
        for part in ("TFMobileBertEmbeddings", "TFMobileBertOutput"):
            _after(getattr(module, part), "__init__", _set_epsilon)


def _after(cls: type, method: str, act: Callable[[Any], None]) -> None:
    original = getattr(cls, method)

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        act(self)

    setattr(cls, method, call)


def _other_names(self: Any, name: str) -> tuple[str, ...]:
    """Names of PyTorch's layout under which a checkpoint may hold a weight, the right one first."""
    names = [name]
    for wrong, right in ((".pos_proj.", ".pos_key_proj."), (".pos_q_proj.", ".pos_query_proj.")):
        if self.config.model_type == "deberta-v2" and wrong in name:
            names.insert(0, name.replace(wrong, right))
    owner, _, last = name.rpartition(".")
    if last == "bias" and not name.startswith(self.base_model_prefix):  # one by two names
        names.append(f"{owner}.decoder.bias")
        names.append(f"{owner.removesuffix('.decoder')}.bias")
    if name.startswith("cls.predictions."):  # as DeBERTa's authors named the same head
        old = name.replace("cls.predictions.", "lm_predictions.lm_head.")
        names.append(old.replace(".transform.", "."))
    return tuple(dict.fromkeys(names))


def _count_from_padding(layer: Any) -> None:
    if layer.config.pad_token_id is not None:
        layer.padding_idx = layer.config.pad_token_id


def _set_epsilon(layer: Any) -> None:
    if layer.config.normalization_type == "layer_norm":
        layer.LayerNorm.epsilon = 1e-5


def _tie(model: Any) -> None:
    if not getattr(model.config, "tie_word_embeddings", True):
        return
    head = model.get_lm_head()
    if model.config.model_type == "esm":  # which makes its embedding a second time while built
        layer = model.esm.embeddings.word_embeddings
        layer._trainable_weights = [layer.embeddings]
        head.decoder = layer.embeddings
        return
    table, stale = model.get_input_embeddings().weight, head.decoder
    if stale is not table and stale.shape == table.shape:
        head.decoder = table
        head._trainable_weights = [w for w in head._trainable_weights if w is not stale]


def _untie(model: Any, place: str) -> None:
    if getattr(model.config, "tie_word_embeddings", True):
        return
    head = model.get_lm_head()
    for name in ("input_embeddings", "decoder"):
        tied = getattr(head, name, None)
        if tied is not None:
            setattr(head, name, OutputMatrix(head, tied, place))
            return
    raise AssertionError(f"{type(head).__name__} has no output embeddings")


class OutputMatrix:
    """Stands in a head where the layer of the input embeddings is tied to it.

    Args:
        head: the layer that multiplies by `weight`; the variable is its own.
        embeddings: the layer of the input embeddings.
        place: name of the variable below the head.
    """

    def __init__(self, head: Any, embeddings: Any, place: str) -> None:
        self._head = head
        self._variable: Any = None
        build = head.build

        def build_with_matrix(input_shape: Any = None) -> None:
            build(input_shape)
            if self._variable is None:
                shape = embeddings.weight.shape  # an encoder is built before its head
                self._variable = head.add_weight(
                    name=place, shape=shape, initializer=_initializer(head), trainable=True
                )

        head.build = build_with_matrix

    @property
    def weight(self) -> Any:
        """The variable [vocabulary, width]."""
        return self._variable

    @weight.setter
    def weight(self, value: Any) -> None:
        stale = self._variable
        kept = [w for w in self._head._trainable_weights if w is not stale]
        self._head._trainable_weights = kept
        self._variable = value

    def __call__(self, hidden: Any, mode: str = "linear") -> Any:
        """Logits [..., vocabulary] of hidden states [..., width]."""
        import tensorflow as tf

        assert mode == "linear"
        return tf.tensordot(hidden, tf.cast(self._variable, hidden.dtype), [[-1], [1]])


def _initializer(head: Any) -> Any:
    from transformers.modeling_tf_utils import get_initializer

    return get_initializer(getattr(getattr(head, "config", None), "initializer_range", 0.02))
