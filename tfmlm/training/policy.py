"""Mixed precision as Keras' global policy, for the length of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tf_keras

POLICIES = {"no": "float32", "fp16": "mixed_float16", "bf16": "mixed_bfloat16"}


@contextlib.contextmanager
def precision(mixed_precision: str) -> Iterator[None]:
    """Sets Keras' policy to `no`, `fp16` or `bf16` inside the block."""
    previous = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(POLICIES[mixed_precision])
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(previous)
