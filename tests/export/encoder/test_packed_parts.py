"""Models are taken apart without a rest, and those of other forms are left whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow as tf
import tf_keras

from tests.small_models import small_model
from tfmlm.export.encoder.packed_parts import ARCHITECTURES, is_packable, parts_of


def variables(part: Any) -> Iterator[tf.Variable]:
    """Those of parts, their layers, and lists of them."""
    if dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from variables(getattr(part, field.name))
    elif isinstance(part, list):
        for item in part:
            yield from variables(item)
    elif isinstance(part, tf_keras.layers.Layer):
        yield from part.weights
    elif isinstance(part, tf.Variable):
        yield part


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_parts_hold_every_variable(architecture: str) -> None:
    name = "n_layers" if architecture == "distilbert" else "num_hidden_layers"
    model = small_model(architecture, **{name: 1})
    parts = parts_of(model)
    assert {id(v) for v in variables(parts)} == {id(v) for v in model.variables}
    assert len(parts.layers) == 1
    assert parts.head.matrix is parts.embeddings.word


def test_what_is_left_to_transformers():
    assert not is_packable(small_model("albert"))
    relative = small_model("bert", position_embedding_type="relative_key")
    assert not is_packable(relative)
    assert is_packable(small_model("bert"))
