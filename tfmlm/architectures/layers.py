"""What the architectures of this package have in common: small layers, activations, the decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf
import tf_keras
from transformers.activations_tf import ACT2FN

from tfmlm.errors import UserError


class TruncatedNormal(tf_keras.initializers.Initializer):
    """The normal law of a standard deviation, conditioned on ±cutoff of them, as PyTorch's
    `trunc_normal_`: the variance is that of the cut law.

    TensorFlow's own cuts at two standard deviations always.
    """

    def __init__(self, stddev: float, cutoff: float) -> None:
        self.stddev, self.cutoff = stddev, cutoff

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> tf.Tensor:
        # Inverse of the distribution function, in float64: erfinv is steep at the ends.
        end = math.erf(self.cutoff / math.sqrt(2.0))
        uniform = tf.random.uniform(shape, -end, end, tf.float64)
        normal = tf.math.erfinv(uniform) * math.sqrt(2.0)
        cut = tf.clip_by_value(normal, -self.cutoff, self.cutoff) * self.stddev
        return tf.cast(cut, dtype or tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, "cutoff": self.cutoff}


class Composite(tf_keras.layers.Layer):
    """A layer made of others, whose names become part of its variables' names."""

    built: bool

    def parts(self) -> Iterable[tuple[Any, int | None]]:
        """The layers, each with the size of its inputs' last axis; None if it knows by itself."""
        raise NotImplementedError

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.built = True
            build_parts(self.parts())


def build_parts(parts: Iterable[tuple[Any, int | None]]) -> None:
    """Builds layers within the scopes of their names."""
    for layer, size in parts:
        with tf.name_scope(layer.name):
            layer.build(None if size is None else [None, None, size])


class TokenEmbeddings(tf_keras.layers.Layer):
    """A table [vocabulary, hidden] under the names that transformers' resizing looks for."""

    built: bool

    def __init__(self, vocab_size: int, hidden_size: int, initializer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self._initializer = initializer

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        self.built = True
        shape = [self.vocab_size, self.hidden_size]
        self.weight = self.add_weight("weight", shape, initializer=self._initializer)

    def call(self, input_ids: tf.Tensor) -> tf.Tensor:
        """[..., hidden] for ids int [...]."""
        return tf.gather(self.weight, input_ids)


class Decoder(tf_keras.layers.Layer):
    """Logits of hidden states: by the token embeddings if tied, else by a table of its own.

    Its methods are those that transformers' TF models call when the vocabulary is resized.
    """

    built: bool

    def __init__(
        self,
        embeddings: TokenEmbeddings,
        tied: bool,
        use_bias: bool,
        initializer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._embeddings = embeddings
        self.tied, self.use_bias = tied, use_bias
        self._initializer = initializer

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        self.built = True
        size, width = self._embeddings.vocab_size, self._embeddings.hidden_size
        if not self.tied:
            self.weight = self.add_weight("weight", [size, width], initializer=self._initializer)
        if self.use_bias:
            self.bias = self.add_weight("bias", [size], initializer="zeros")

    def get_output_embeddings(self) -> Any:
        return self._embeddings if self.tied else self

    def set_output_embeddings(self, value: tf.Variable) -> None:
        self.get_output_embeddings().weight = value
        self.get_output_embeddings().vocab_size = int(value.shape[0])

    def get_bias(self) -> dict[str, tf.Variable] | None:
        return {"bias": self.bias} if self.use_bias else None

    def set_bias(self, value: dict[str, tf.Variable]) -> None:
        self.bias = value["bias"]

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits [batch, tokens, vocabulary] of [batch, tokens, hidden]."""
        shape = tf.shape(hidden)
        table = self.get_output_embeddings().weight
        rows = tf.reshape(hidden, [-1, hidden.shape[-1]])
        logits = tf.matmul(rows, table, transpose_b=True)
        if self.use_bias:
            logits = tf.nn.bias_add(logits, self.bias)
        return tf.reshape(logits, [shape[0], shape[1], table.shape[0]])


def _tanh_gelu(x: tf.Tensor) -> tf.Tensor:
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1.0 + tf.tanh(inner))


def resized_decoder(model: Any, decoder: Decoder, old: Any, new_num_tokens: int) -> Any:
    """The decoder's table for a vocabulary of another size, for transformers' resizing.

    Its own way takes two tables for tied if any of their numbers are equal by chance.
    """
    if decoder.tied:
        return old  # the resized embeddings take its place
    return model._get_resized_embeddings(old, new_num_tokens)


#: PyTorch's names of activations without weights. The exact GELU is the object that
#: transformers' TF models hold, so that training can know it.
_ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": ACT2FN["gelu"],
    "gelu_python": ACT2FN["gelu"],
    "gelu_10": lambda x: tf.clip_by_value(ACT2FN["gelu"](x), -10.0, 10.0),
    "gelu_new": _tanh_gelu,
    "gelu_fast": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "gelu_python_tanh": _tanh_gelu,
    "gelu_accurate": _tanh_gelu,
    "laplace": lambda x: 0.5 * (1.0 + tf.math.erf((x - 0.707107) / (0.282095 * math.sqrt(2.0)))),
    "leaky_relu": lambda x: tf.nn.leaky_relu(x, 0.01),
    "linear": tf.identity,
    "mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
    "quick_gelu": lambda x: x * tf.sigmoid(1.702 * x),
    "relu": tf.nn.relu,
    "relu2": lambda x: tf.square(tf.nn.relu(x)),
    "relu6": tf.nn.relu6,
    "sigmoid": tf.sigmoid,
    "silu": tf.nn.silu,
    "swish": tf.nn.silu,
    "tanh": tf.tanh,
}


def activation(name: str, field: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The activation of this name; `field` is the config's field that says it.

    Raises:
        UserError: an activation that has weights of its own, or none that is known.
    """
    if name not in _ACTIVATIONS:
        known = ", ".join(sorted(_ACTIVATIONS))
        raise UserError(
            f"{field} is {name!r}, which is not supported in TensorFlow; choose from {known}"
        )
    return _ACTIVATIONS[name]
