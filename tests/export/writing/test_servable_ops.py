"""The check of operations against releases of TF Serving."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tests.export.exported import bert
from tfmlm.errors import UserError
from tfmlm.export.writing.servable_ops import (
    missing,
    oldest_release,
    operations,
    releases,
    servable_ops,
    text_ops,
)


def test_an_export_runs_on_every_known_release():
    needed = operations(bert().path)
    assert "MatMul" in needed and "PyFunc" not in needed
    assert text_ops(needed) == [] and text_ops(["MatMul", "WordpieceTokenizeWithOffsets"])
    assert [missing(needed, release) for release in releases()] == [[]] * len(releases())
    assert oldest_release(needed) == "2.12" == releases()[0]
    assert bert().path.name == "1"


@pytest.mark.parametrize(
    ("needed", "oldest"),
    [
        ({"MatMul": ["T"]}, "2.12"),
        ({"MatMul": ["T", "grad_a"]}, "2.16"),
        ({"FFTND": []}, "2.15"),
        ({"TFText>RoundRobinTrim": []}, "2.20"),
        ({"FastBertNormalize": []}, "2.12"),
        ({"NoSuchOperation": []}, None),
        ({"VarHandleOp": ["debug_name"]}, "2.15"),
    ],
)
def test_oldest_release(needed, oldest):
    assert oldest_release(needed) == oldest


def test_what_is_missing_is_named():
    assert missing({"FFTND": [], "MatMul": ["grad_a"]}, "2.14") == ["FFTND", "MatMul.grad_a"]
    assert missing({"FFTND": []}, "2.15") == []
    assert "TFText>RoundRobinTrim" not in servable_ops("2.19")


def test_operations_inside_functions_are_found(tmp_path):
    module = tf.Module()
    module.variable = tf.Variable(1.0, name="seen")
    inner = tf.function(lambda x: tf.math.erfinv(x) * module.variable)
    module.call = tf.function(
        lambda x: {"y": tf.cond(x[0] > 0, lambda: inner(x), lambda: x)},
        input_signature=[tf.TensorSpec([None])],
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    found = operations(tmp_path)
    assert {"Erfinv", "VarHandleOp"} <= set(found)
    assert "debug_name" in found["VarHandleOp"]


def test_errors(tmp_path):
    with pytest.raises(UserError, match="holds no saved_model.pb"):
        operations(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 10)
    with pytest.raises(UserError, match="broken"):
        operations(tmp_path)
