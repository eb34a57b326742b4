"""Runs a masked-LM head at chosen positions only.

Every TF masked LM of transformers is an encoder (the layer named by `base_model_prefix`) whose
first output, the hidden states [batch, tokens, hidden], goes through a head that treats each
position alone. So the head need not be known: the encoder's `call` is wrapped once, and while
one of the functions here runs, its hidden states are replaced by the rows asked for, as one
sequence [1, N, hidden]. The projection onto the vocabulary then costs N positions, not batch ×
tokens. Encoder and head can be run apart as well, so that the head, whose results are far larger
than what it takes, can be run on some rows at a time.

In the last layer of BERT and its kin only the attention looks at other tokens, so what comes after
it is computed at the rows asked for too.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from transformers.modeling_tf_outputs import TFBaseModelOutput

from tfmlm.checkpoint.documents import separate_documents

_HOOKED = "_tfmlm_masked_positions"

# Layers that are BERT's: after `attention.dense_output(context, input)`, where the residual path
# joins, each position is treated alone.
_LAYERS_LIKE_BERT = frozenset(
    {
        "TFBertLayer",
        "TFCamembertLayer",
        "TFElectraLayer",
        "TFRobertaLayer",
        "TFRobertaPreLayerNormLayer",
        "TFXLMRobertaLayer",
    }
)


@dataclass
class _EncoderRows(TFBaseModelOutput):
    """An encoder's output with its first part alone; Longformer's head asks for one more."""

    global_attentions: tuple[tf.Tensor, ...] | None = None


class _Request(threading.local):
    """What is asked of which encoder, by thread: MirroredStrategy traces its replicas in threads
    of their own.

    Attributes:
        base: the encoder; others are left alone.
        indices: positions that its hidden states are taken at.
        rows: those hidden states [N, hidden], once it has run; where they are given, it does not
            run.
        in_last_layer: whether its last layer has taken the positions already.
    """

    base: Any = None
    indices: Any = None
    rows: Any = None
    in_last_layer: bool = False


_request = _Request()


def base_layer(model: Any) -> Any:
    """The encoder layer of a TF masked LM (`bert`, `roberta`, `transformer`, …)."""
    return getattr(model, model.base_model_prefix)


def masked_logits(
    model: Any, inputs: Mapping[str, Any], indices: Any, training: bool = False
) -> tf.Tensor:
    """Logits of a masked LM at the given positions.

    Args:
        model: any model class of `TF_MODEL_FOR_MASKED_LM_MAPPING`.
        inputs: what `model.call` takes, by name, without `labels`; tensors [batch, tokens]. With
            `document_ids`, texts of a row are kept apart, see `separate_documents`.
        indices: integer tensor [N, 2] of (row, position); N may be 0.
        training: whether dropout is on.

    Returns:
        Tensor [N, vocabulary] in the model's compute dtype, equal to the rows `indices` of the
        logits [batch, tokens, vocabulary] that `model(inputs)` computes.
    """
    return _run(model, inputs, training, indices=indices)[0]


def masked_hidden(model: Any, inputs: Mapping[str, Any], indices: Any) -> tf.Tensor:
    """What the head takes of the given positions: [N, hidden]; arguments as `masked_logits`."""
    return _run(model, inputs, False, indices=indices)[1]


def head_logits(model: Any, rows: tf.Tensor) -> tf.Tensor:
    """Logits [n, vocabulary] of hidden states [n, hidden], as `masked_hidden` gives them."""
    return _run(model, {"input_ids": tf.zeros([1, 1], tf.int32)}, False, rows=rows)[0]


def _run(
    model: Any, inputs: Mapping[str, Any], training: bool, indices: Any = None, rows: Any = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits [N, vocabulary] and hidden states [N, hidden]."""
    base = base_layer(model)
    _hook(base)
    previous = _request.base, _request.indices, _request.rows, _request.in_last_layer
    _request.base, _request.indices, _request.rows, _request.in_last_layer = (
        base,
        indices,
        rows,
        False,
    )
    try:
        with separate_documents(model, base, inputs) as given:
            outputs = model(given, training=training, return_dict=True)
        rows = _request.rows
    finally:
        _request.base, _request.indices, _request.rows, _request.in_last_layer = previous
    # Not logits[0]: the gradient of a slice is a copy of all logits.
    return tf.squeeze(outputs.logits, axis=0), rows


def _hook(base: Any) -> None:
    """Wraps `base.call` once so that it hands on the requested positions only."""
    if getattr(base, _HOOKED, False):
        return
    call = base.call

    def call_at_positions(*args: Any, **kwargs: Any) -> Any:
        if _request.base is not base:
            return call(*args, **kwargs)
        if _request.rows is not None:
            return _EncoderRows(last_hidden_state=_request.rows[tf.newaxis])
        outputs = call(*args, **kwargs)
        if _request.in_last_layer:
            _request.rows = tf.squeeze(outputs[0], axis=0)
            return outputs
        _request.rows = tf.gather_nd(outputs[0], _request.indices)
        rows = _request.rows[tf.newaxis]
        if isinstance(outputs, tuple):
            return (rows, *outputs[1:])
        outputs[next(iter(outputs.keys()))] = rows
        return outputs

    # The signature is kept: Keras asks for it when a model is saved.
    base.call = tf.__internal__.decorator.make_decorator(call, call_at_positions)
    setattr(base, _HOOKED, True)
    last = _last_layer_like_bert(base)
    if last is not None:
        _hook_last_layer(base, last.attention.dense_output)


def at_positions_only(model: Any) -> list[Any]:
    """Trainable variables of the encoder that the functions here use at the positions alone."""
    last = _last_layer_like_bert(base_layer(model))
    if last is None:
        return []
    elsewhere = {id(variable) for variable in last.attention.self_attention.trainable_variables}
    return [variable for variable in last.trainable_variables if id(variable) not in elsewhere]


def _last_layer_like_bert(base: Any) -> Any:
    """The encoder's last layer if it is one of BERT's, else None."""
    layers = getattr(getattr(base, "encoder", None), "layer", None)
    last: Any = layers[-1] if layers else None
    known = type(last).__name__ in _LAYERS_LIKE_BERT and not last.is_decoder
    # A pooler wants the first token of every row.
    return last if known and getattr(base, "pooler", None) is None else None


def _hook_last_layer(base: Any, after_attention: Any) -> None:
    """Wraps `after_attention.call(hidden_states, input_tensor)` to go on with the rows alone."""
    call = after_attention.call

    def call_at_positions(hidden_states: Any, input_tensor: Any, training: bool = False) -> Any:
        if _request.base is base and _request.indices is not None:
            _request.in_last_layer = True
            hidden_states = tf.gather_nd(hidden_states, _request.indices)[tf.newaxis]
            input_tensor = tf.gather_nd(input_tensor, _request.indices)[tf.newaxis]
        return call(hidden_states=hidden_states, input_tensor=input_tensor, training=training)

    after_attention.call = tf.__internal__.decorator.make_decorator(call, call_at_positions)
