"""Parts that several functions of a graph share, traced once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class Traced:
    """A function of tensors that every graph calls in place of holding its nodes again.

    Eagerly it is plain Python: tracing takes longer than running it a few times. It is no
    trackable, so that saving a module does not trace what nothing calls.

    Args:
        call: computes tensors, from tensors and from what its module owns.
        signature: shapes and types of the tensors.
    """

    def __init__(self, call: Callable[..., Any], *signature: tf.TensorSpec) -> None:
        self._call = call
        self._function = tf.function(call, input_signature=signature, autograph=False)

    def __call__(self, *tensors: tf.Tensor) -> Any:
        """What `call` gives for tensors of the signature, in its order: [the shapes it names]."""
        return (self._call if tf.executing_eagerly() else self._function)(*tensors)
