"""Matrix products of the packed encoder in 8-bit integers, by an operation of stock TensorFlow.

Weights have a scale for each output, and seven of the eight bits. What goes into a product has one
scale for all of it, fixed at export by texts that the float model reads (`calibrate`), so that no
row sets the scale of the rows beside it; larger values than those texts gave are cut off. Products
are summed up in 32-bit integers, which is exact. Layer norms, the softmax and the attention's own
products stay in float32.

The operation is `_QuantizedMatMul`, oneDNN's: TensorFlow's builds for Linux on x86, TF Serving's
among them, have it since 2.17. (`QuantizedMatMulWithBiasAndDequantize`, the public one, gives wrong
numbers where values may be negative, and has one scale for all weights; `UniformQuantizedDot` is a
plain loop.) It lays the weights out once, at the first call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.errors import UserError
from tfmlm.export.encoder.packed import PackedPredictor, Rows
from tfmlm.export.encoder.packed_layers import Dense
from tfmlm.export.encoder.packed_parts import ARCHITECTURES, is_packable
from tfmlm.export.encoder.predictor import TokenTypes

#: The largest integer; −128 is not used, so that scales are the same on both sides of 0.
_LARGEST = 127
#: The largest integer of a weight. Processors without VNNI add products of unsigned and signed
#: 8-bit integers up in pairs of 16 bits: 2 · 255 · 63 fits, 2 · 255 · 127 would be cut off.
_LARGEST_WEIGHT = 63
#: Products are cut into as many pieces where a product in float32 is cut: one for each of two
#: threads.
_PIECES = 2


def int8_predictor(
    model: Any, token_types: TokenTypes | None, rows: Sequence[np.ndarray], mask_id: int
) -> PackedPredictor:
    """The packed encoder and head of a model, with weights and products in 8-bit integers.

    Args:
        model: a built model.
        token_types: what its tokenizer gives as `token_type_ids`, None if it gives none.
        rows: ids int32 [tokens] of texts in their frame, at least one with a mask, whose values
            set the scales.
        mask_id: the id of the mask.

    Raises:
        UserError: the architecture has no packed encoder, or no row has a mask.
    """
    if not is_packable(model):
        raise UserError(
            f"int8 is for {', '.join(sorted(ARCHITECTURES))}; export {model.config.model_type} "
            "in float32 or bfloat16"
        )
    predictor = PackedPredictor(model, token_types, Int8Dense)
    calibrate(predictor, rows, mask_id)
    products = [part for part in predictor.submodules if isinstance(part, Int8Dense)]
    tied = predictor.output.kernel is predictor.embeddings.word.table
    for product in products:
        product.round_weights()
    table = predictor.embeddings.word
    predictor.embeddings.word = Int8Rows(predictor.output if tied else table.table)
    return predictor


def calibrate(predictor: PackedPredictor, rows: Sequence[np.ndarray], mask_id: int) -> None:
    """Lets every product see what it is given for these texts.

    Args:
        predictor: made with `Int8Dense`, weights not rounded yet.
        rows: ids int32 [tokens] of texts in their frame.
        mask_id: the id of the mask; rows without one are passed over.

    Raises:
        UserError: no row has a mask.
    """
    seen = False
    for row in rows:
        places = np.nonzero(row == mask_id)[0].astype(np.int32)
        if len(places):
            ids = tf.constant(row[np.newaxis], tf.int32)
            at = tf.stack([tf.zeros_like(places), places], axis=1)
            predictor(ids, tf.ones_like(ids), at)
            seen = True
    if not seen:
        raise UserError("int8 needs texts with masks to set its scales by; give warm-up texts")


class _Taken(NamedTuple):
    """Rows as a product takes them: float32 in calibration, else qint8 and what 127 stands for."""

    rows: tf.Tensor
    limit: float | None


class Int8Dense(Dense):
    """A matrix product of 8-bit integers, its bias added in float32.

    Until `round_weights` it computes in float32 and keeps the largest size of what it is given.
    """

    def __init__(
        self, kernel: tf.Variable, bias: tf.Variable | None, transposed: bool = False
    ) -> None:
        """As `Dense`."""
        super().__init__(kernel, bias, transposed)
        self._limit = 0.0
        self._rounded = False

    @classmethod
    def runs_apart(cls, kernel: tf.Variable, count: int) -> bool:
        """Never: what goes in is brought into integers once, and one product is one operation."""
        return False

    @classmethod
    def pieces(cls, kernel: tf.Variable) -> int:
        """Into how many pieces a product is best cut, which run side by side."""
        return min(_PIECES, super().pieces(kernel))

    def round_weights(self) -> None:
        """Rounds the weights; from here on it computes in integers, and only in a graph."""
        limits, whole = _rounded(self.kernel.numpy(), axis=1 if self._transposed else 0)
        bias = np.zeros(limits.shape, np.float32) if self.bias is None else self.bias.numpy()
        self.kernel, self.bias = _kept(whole), _kept(bias.astype(np.float32))
        self.highest, self.lowest = _kept(limits), _kept(-limits)
        self._rounded = True

    def taken(self, rows: tf.Tensor) -> _Taken:
        """Rows float32 [n, inputs] -> 8-bit integers of the same shape."""
        if not self._rounded:
            self._limit = max(self._limit, float(tf.reduce_max(tf.abs(rows))))
            return _Taken(rows, None)
        whole = tf.raw_ops.QuantizeV2(
            input=rows,
            min_range=-self._limit,
            max_range=self._limit,
            T=tf.qint8,
            mode="SCALED",
            narrow_range=True,
        )
        return _Taken(whole.output, self._limit)

    def product(self, taken: _Taken) -> tf.Tensor:
        """What `taken` gives -> float32 [n, outputs]."""
        if taken.limit is None:
            return super().product(taken.rows)
        return self._multiply(taken, ("BiasAdd", "Dequantize"))

    def through(self, taken: _Taken, activation: Any, outer: Dense) -> tf.Tensor:
        """What `outer` gives for the activations of this layer's outputs.

        A GELU is part of the first product, which gives the second its integers.
        """
        assert isinstance(outer, Int8Dense)
        fused = _fused_activation(activation)
        if taken.limit is None or fused is None:
            return outer(activation(self.product(taken)))
        whole = self._multiply(taken, ("BiasAdd", fused, "Requantize"), outer._limit)
        return outer.product(_Taken(whole, outer._limit))

    def _multiply(
        self, taken: _Taken, fused: Sequence[str], limit: float | None = None
    ) -> tf.Tensor:
        """The operation: float32 [n, outputs], or qint8 in which 127 stands for `limit`."""
        assert taken.limit is not None
        inputs = [
            taken.rows,
            tf.bitcast(self.kernel, tf.qint8),
            tf.convert_to_tensor(self.bias),
            tf.constant(-taken.limit),
            tf.constant(taken.limit),
            tf.convert_to_tensor(self.lowest),
            tf.convert_to_tensor(self.highest),
        ]
        outputs = [tf.float32]
        if limit is not None:
            inputs += [tf.constant(-limit), tf.constant(limit)]
            outputs = [tf.qint8, tf.float32, tf.float32]
        floats = tf.float32.as_datatype_enum
        whole = tf.qint8.as_datatype_enum
        operation = tf.compat.v1.get_default_graph().create_op(
            "_QuantizedMatMul",
            inputs,
            outputs,
            name="int8_product",
            attrs={
                "T1": _value(type=whole),
                "T2": _value(type=whole),
                "Tbias": _value(type=floats),
                "U": _value(type=floats),
                "Tout": _value(type=outputs[0].as_datatype_enum),
                "Tdevice_inputs": _types([tensor.dtype for tensor in inputs]),
                "Tdevice_outputs": _types(outputs),
                "Thost_inputs": _types([]),
                "Thost_outputs": _types([]),
                "fused_ops": _strings(fused),
                "input_quant_mode": _value(s=b"SCALED"),
                "output_quant_mode": _value(s=b"SCALED"),
                "is_weight_const": _value(b=True),
                "is_bias_const": _value(b=True),
                "transpose_a": _value(b=False),
                "transpose_b": _value(b=self._transposed),
            },
        )
        result = operation.outputs[0]
        result.set_shape([None, int(self.highest.shape[0])])
        return result


class Int8Rows(Rows):
    """Rows of a table in 8-bit integers with a scale for each: float32 when gathered."""

    def __init__(self, table: Int8Dense | tf.Variable) -> None:
        """Takes the table, or shares that of the product with the output matrix."""
        if isinstance(table, Int8Dense):
            super().__init__(table.kernel)
            self.highest = table.highest
        else:
            limits, whole = _rounded(table.numpy(), axis=1)
            super().__init__(_kept(whole))
            self.highest = _kept(limits)

    def __call__(self, numbers: tf.Tensor) -> tf.Tensor:
        """Numbers of rows int32 [n] -> float32 [n, width]."""
        scale = tf.gather(self.highest, numbers) * (1 / _LARGEST)
        return tf.cast(super().__call__(numbers), tf.float32) * scale[:, tf.newaxis]


def _rounded(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """What 127 stands for, float32 along the other axis, and the integers, int8."""
    limits = np.abs(values).max(axis=axis).astype(np.float32) * (_LARGEST / _LARGEST_WEIGHT)
    limits[limits == 0] = 1.0
    scale = np.expand_dims(limits / _LARGEST, axis)
    whole = np.clip(np.rint(values / scale), -_LARGEST_WEIGHT, _LARGEST_WEIGHT)
    return limits.astype(np.float32), whole.astype(np.int8)


def _value(**given: Any) -> Any:
    from tensorflow.core.framework import attr_value_pb2

    return attr_value_pb2.AttrValue(**given)


def _types(dtypes: Sequence[tf.DType]) -> Any:
    """An attribute that lists types; an empty list is one too."""
    value = _value()
    value.list.SetInParent()
    value.list.type.extend(dtype.as_datatype_enum for dtype in dtypes)
    return value


def _strings(texts: Sequence[str]) -> Any:
    value = _value()
    value.list.s.extend(text.encode() for text in texts)
    return value


def _kept(value: np.ndarray) -> tf.Variable:
    return tf.Variable(value, trainable=False)


def _fused_activation(activation: Any) -> str | None:
    """What the operation calls an activation that it can compute itself."""
    from transformers.activations_tf import get_tf_activation

    known = {"GeluExact": ("gelu",), "GeluApproximate": ("gelu_new", "gelu_pytorch_tanh")}
    for name, ours in known.items():
        if any(activation is get_tf_activation(own) for own in ours):
            return name
    return None
