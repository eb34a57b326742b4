"""Several texts in one row: each sees only itself, and its positions begin anew.

The models of tfmlm take the texts' numbers themselves. transformers' TF models take no mask of
pairs of tokens; those of BERT's kind hand a bias of attention from the model to the encoder, and
position ids to the embeddings: there, for the time of a call, come those of the texts.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfmlm.errors import UserError

#: transformers' models whose calls are known well enough.
_BERT_LIKE = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")
#: tfmlm's own models, which take `document_ids`.
_OWN = ("eurobert", "modernbert")
#: Those that number positions from the padding id on, leaving padding tokens out.
_POSITIONS_BEHIND_PADDING = ("camembert", "roberta", "xlm-roberta")
_HOOKED = "_tfmlm_documents"


def require_documents(config: Any) -> None:
    """Raises `UserError` where several texts cannot share a row without touching each other."""
    kind = config.model_type
    if kind not in _BERT_LIKE + _OWN:
        known = ", ".join(sorted(_BERT_LIKE + _OWN))
        raise UserError(
            f"packing does not work with {kind}: its attention cannot be kept within a text; it "
            f"works with {known}"
        )
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        raise UserError(
            f"packing works with absolute positions only, not with those of this {kind}"
        )
    if getattr(config, "is_decoder", False):
        raise UserError(f"packing does not work with a {kind} that is a decoder")


@dataclass(frozen=True)
class _Texts:
    """What the calls below a model's own get for one batch."""

    base: Any
    position_ids: tf.Tensor
    same: tf.Tensor  # bool [batch, tokens, tokens]: a token of the same text, not padding


class _Current(threading.local):
    texts: _Texts | None = None


_current = _Current()


@contextlib.contextmanager
def separate_documents(
    model: Any, base: Any, inputs: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The inputs for `model` of a batch whose `document_ids` may tell texts apart.

    Inside the block, in this thread, the model keeps them apart.

    Args:
        model: a TF masked LM for which `require_documents` holds, if there are `document_ids`.
        base: its encoder layer.
        inputs: tensors [batch, tokens]; `document_ids` int32, ascending in each row from 0.
    """
    inputs = dict(inputs)
    document_ids = inputs.pop("document_ids", None)
    if document_ids is None:
        yield inputs
        return
    first = tf.searchsorted(document_ids, document_ids)  # the column where the text begins
    if "document_ids" in inspect.signature(model.call).parameters:
        position_ids = tf.range(tf.shape(document_ids)[1]) - first
        yield {**inputs, "document_ids": document_ids, "position_ids": position_ids}
        return
    _hook(model, base)
    same = tf.equal(document_ids[:, :, tf.newaxis], document_ids[:, tf.newaxis])
    real = tf.not_equal(inputs["attention_mask"], 0)[:, tf.newaxis]
    positions = _positions(model, base, inputs["input_ids"], first)
    previous, _current.texts = _current.texts, _Texts(base, positions, same & real)
    try:
        yield inputs
    finally:
        _current.texts = previous


def _positions(model: Any, base: Any, input_ids: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Position ids int32 [batch, tokens] as the model counts them, in each text anew."""
    if model.config.model_type not in _POSITIONS_BEHIND_PADDING:
        return tf.range(tf.shape(input_ids)[1]) - first
    padding = base.embeddings.padding_idx
    counted = tf.cast(tf.not_equal(input_ids, padding), tf.int32)
    before = tf.cumsum(counted, axis=1, exclusive=True)
    within = before + counted - tf.gather(before, first, batch_dims=1)
    return within * counted + padding


def _hook(model: Any, base: Any) -> None:
    """Wraps, once, the calls that take positions and the bias of attention."""
    if getattr(base, _HOOKED, False):
        return

    def own(change: Callable[[_Texts, dict[str, Any]], None]) -> Callable[..., Any]:
        def decorate(call: Any) -> Any:
            def call_of_texts(*args: Any, **kwargs: Any) -> Any:
                texts = _current.texts
                if texts is not None and texts.base is base:
                    change(texts, kwargs)
                return call(*args, **kwargs)

            return tf.__internal__.decorator.make_decorator(call, call_of_texts)

        return decorate

    def set_positions(texts: _Texts, kwargs: dict[str, Any]) -> None:
        kwargs["position_ids"] = texts.position_ids

    def set_bias(texts: _Texts, kwargs: dict[str, Any]) -> None:
        dtype = kwargs["attention_mask"].dtype
        hidden = tf.cast(~texts.same, dtype) * tf.constant(-10000.0, dtype)
        kwargs["attention_mask"] = hidden[:, tf.newaxis]

    base.embeddings.call = own(set_positions)(base.embeddings.call)
    if model.config.model_type == "distilbert":
        for layer in base.transformer.layer:
            layer.attention.call = _distilbert_attention(layer.attention, base)
    else:
        base.encoder.call = own(set_bias)(base.encoder.call)
    setattr(base, _HOOKED, True)


def _distilbert_attention(layer: Any, base: Any) -> Any:
    """`TFMultiHeadSelfAttention.call`, which would give its mask a shape without queries."""
    call = layer.call

    def call_of_texts(
        query: Any, key: Any, value: Any, mask: Any, *args: Any, **kwargs: Any
    ) -> Any:
        texts = _current.texts
        if texts is None or texts.base is not base:
            return call(query, key, value, mask, *args, **kwargs)
        shape = tf.shape(query)
        width = layer.dim // layer.n_heads

        def heads(rows: tf.Tensor) -> tf.Tensor:
            split = tf.reshape(rows, [shape[0], shape[1], layer.n_heads, width])
            return tf.transpose(split, [0, 2, 1, 3])

        scaled = tf.cast(heads(layer.q_lin(query)), tf.float32) * width**-0.5
        keys = tf.cast(heads(layer.k_lin(key)), tf.float32)
        scores = tf.matmul(scaled, keys, transpose_b=True)
        weights = tf.nn.softmax(tf.where(texts.same[:, tf.newaxis], scores, -1e30))
        weights = layer.dropout(weights, training=kwargs.get("training", False))
        values = heads(layer.v_lin(value))
        context = tf.transpose(tf.matmul(tf.cast(weights, values.dtype), values), [0, 2, 1, 3])
        merged = tf.reshape(context, [shape[0], shape[1], layer.dim])
        return (layer.out_lin(merged),)

    return tf.__internal__.decorator.make_decorator(call, call_of_texts)
