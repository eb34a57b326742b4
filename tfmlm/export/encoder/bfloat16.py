"""A copy of a model with weights and computation in bfloat16."""

from __future__ import annotations

from typing import Any

from tfmlm.errors import UserError

#: transformers' TF code of these mixes float32 into its computation.
_REFUSED = ("esm", "longformer")


def bfloat16_copy(model: Any) -> Any:
    """The same architecture under Keras's pure bfloat16 policy, with the weights rounded.

    Keras's mixed policy would keep float32 variables and cast them at every call.

    Raises:
        UserError: transformers' code of the architecture cannot compute in bfloat16.
    """
    import tensorflow as tf
    import tf_keras

    kind = model.config.model_type
    if kind in _REFUSED:
        raise UserError(
            f"transformers' TensorFlow code of {kind} cannot compute in bfloat16; export in float32"
        )
    policy = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("bfloat16")
    try:
        copy = type(model)(model.config)
        copy.build_in_name_scope()
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)
    for target, source in zip(copy.variables, model.variables, strict=True):
        if target.shape != source.shape:
            raise ValueError(f"{target.name} and {source.name} are not the same variable")
        target.assign(tf.cast(source, target.dtype))
    return copy
