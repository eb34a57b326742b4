"""The precision of a run is Keras' policy inside the block and what it was after it."""

from __future__ import annotations

import dataclasses

import pytest
import tf_keras

from tfmlm.config import DeviceConfig
from tfmlm.training.policy import POLICIES, precision


@pytest.mark.parametrize(
    ("name", "compute"), [("no", "float32"), ("fp16", "float16"), ("bf16", "bfloat16")]
)
def test_layers_compute_in_it_and_keep_float32_weights(name: str, compute: str) -> None:
    with precision(name):
        dense = tf_keras.layers.Dense(2)
        dense.build([None, 3])
        assert dense(tf_keras.backend.zeros([1, 3])).dtype == compute
        assert dense.kernel.dtype == "float32"
    assert tf_keras.mixed_precision.global_policy().name == "float32"


def test_the_policy_before_comes_back_after_an_error() -> None:
    with precision("bf16"):
        with pytest.raises(RuntimeError), precision("no"):
            raise RuntimeError
        assert tf_keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    assert tf_keras.mixed_precision.global_policy().name == "float32"


def test_every_choice_of_the_setting_has_a_policy() -> None:
    fields = {field.name: field for field in dataclasses.fields(DeviceConfig)}
    assert set(fields["mixed_precision"].metadata["choices"]) == set(POLICIES)
