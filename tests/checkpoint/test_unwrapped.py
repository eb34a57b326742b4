"""The one model inside whatever wraps it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf
import tf_keras
from transformers import TFBertForMaskedLM

from tests.small_models import small_config
from tfmlm.checkpoint.unwrapped import unwrapped
from tfmlm.errors import UserError


def masked_lm() -> Any:
    return TFBertForMaskedLM(small_config("bert", num_hidden_layers=1))


class Trainer(tf_keras.Model):
    """Holds models as its own layers."""

    def __init__(self, **models: Any) -> None:
        super().__init__()
        for name, model in models.items():
            setattr(self, name, model)


def test_it_is_found_in_what_wraps_it() -> None:
    model = masked_lm()
    module = tf.Module()
    module.parts = [tf.Variable(0.0), Trainer(student=model)]
    wrappers = (
        model,
        SimpleNamespace(model=model),
        Trainer(model=model),
        Trainer(student=model),
        Trainer(model=model, teacher=masked_lm()),  # the one that is called `model`
        Trainer(student=model, again=model),
        module,
    )
    for wrapper in wrappers:
        assert unwrapped(wrapper) is model


def test_none_and_several_are_refused() -> None:
    for wrapper, holds in (
        (None, "a NoneType that holds none"),
        (Trainer(), "a Trainer that holds none"),
        (Trainer(student=masked_lm(), teacher=masked_lm()), "a Trainer that holds 2 of them"),
    ):
        with pytest.raises(UserError, match=holds):
            unwrapped(wrapper)
