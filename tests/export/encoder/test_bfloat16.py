"""Exports in bfloat16: half the size, nearly the same answers."""

from __future__ import annotations

import pytest
import tensorflow as tf

import tfmlm
from tests.export.exported import bert, loaded_bert, masked_texts
from tests.small_models import small_model
from tfmlm.checkpoint.masked_positions import masked_logits
from tfmlm.errors import UserError
from tfmlm.export.encoder.bfloat16 import bfloat16_copy
from tfmlm.export.loader import read_record


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "deberta-v2", "funnel"])
def test_copy(architecture):
    model = small_model(architecture)
    copy = bfloat16_copy(model)
    assert {v.dtype for v in copy.variables} == {tf.bfloat16}
    inputs = {
        "input_ids": tf.constant([[5, 6, 7, 8, 9]]),
        "attention_mask": tf.ones([1, 5], tf.int32),
    }
    places = tf.constant([[0, 1], [0, 4]])
    found = tf.cast(masked_logits(copy, inputs, places), tf.float32)
    assert float(tf.reduce_max(tf.abs(found - masked_logits(model, inputs, places)))) < 0.1
    assert tf.keras.mixed_precision.global_policy().name == "float32"


@pytest.mark.parametrize("architecture", ["esm", "longformer"])
def test_refused(architecture):
    with pytest.raises(UserError, match=f"{architecture} cannot compute in bfloat16"):
        bfloat16_copy(small_model(architecture))


def test_export(tmp_path):
    path = tfmlm.export_saved_model(bert().model, bert().tokenizer, tmp_path, dtype="bf16")
    record = read_record(tmp_path / "1")
    assert path == str(tmp_path / "1")
    assert record["model"]["dtype"] == "bfloat16"
    assert 0.7 < record["self_test"]["top1_agreement"] <= 1
    data = "variables/variables.data-00000-of-00001"
    half = (tmp_path / "1" / data).stat().st_size / (bert().path / data).stat().st_size
    assert half == pytest.approx(0.5, abs=0.01)
    texts = masked_texts(40, "[MASK]", seed=8)
    outputs = tfmlm.load(path).fill_arrays(texts)
    assert outputs["score"].dtype.name == "float32"
    exact = loaded_bert().fill_arrays(texts)
    assert (outputs["token"][:, 0, 0] == exact["token"][:, 0, 0]).mean() > 0.7
    assert abs(outputs["score"][:, 0, 0] - exact["score"][:, 0, 0]).max() < 0.05
