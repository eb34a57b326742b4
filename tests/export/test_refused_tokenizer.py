"""Models whose tokenizer has no graph are exported for ids alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfmlm
from tests.export.exported import refused_checkpoint
from tfmlm.cli.main import main
from tfmlm.errors import UserError
from tfmlm.export import validate_export
from tfmlm.export.loader import read_record


@pytest.fixture(scope="module")
def checkpoint():
    return refused_checkpoint()


def test_only_ids_and_the_command_says_so(checkpoint, tmp_path, capsys):
    arguments = ["--model_name_or_path", str(checkpoint), "--export_dir", str(tmp_path)]
    assert main(["export", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path}/1\n"
    assert "only fill_mask_ids was exported: tokenizer component model" in captured.err
    record = read_record(tmp_path / "1")
    assert record["signatures"] == ["fill_mask_ids"]
    assert record["tokenizer"]["in_graph"] is False
    assert "model" in record["tokenizer"]["refused"]
    assert record["self_test"]["top1_agreement"] == 1.0

    model, tokenizer = tfmlm.load_model(checkpoint), tfmlm.load_tokenizer(checkpoint)
    assert validate_export(tmp_path, model, tokenizer)["masks"] > 10
    fill = tfmlm.load(tmp_path)
    assert fill.signatures == ["fill_mask_ids"]
    with pytest.raises(UserError, match="takes token ids only"):
        fill("the [MASK]")
    ids = np.array([[2, 10, 4, 3]], np.int32)
    found = fill.predict("fill_mask_ids", {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    expected = tf.nn.softmax(model(tf.constant(ids)).logits[0, 2]).numpy()
    assert found["token"][0, 0].tolist() == np.argsort(-expected, kind="stable")[:5].tolist()
    assert main(["inspect", str(tmp_path)]) == 0
    assert "not in the graph" in " ".join(capsys.readouterr().out.split())
