"""Warm-up requests as TF Serving reads them."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfmlm.export.contract import SIGNATURES
from tfmlm.export.writing import warmup


def _read(path: Path) -> list[tuple[str, dict[str, np.ndarray]]]:
    found = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        arrays = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        found.append((request.model_spec.signature_name, arrays))
    return found


def test_every_signature_with_all_its_inputs(tmp_path: Path) -> None:
    path = tmp_path / "requests"
    texts = ["a <m>", "é <m> b"]
    count = warmup.write_warmup(path, sorted(SIGNATURES), texts, 128, mask_id=9)
    requests = _read(path)
    assert len(requests) == count and {name for name, _ in requests} == set(SIGNATURES)
    for name, arrays in requests:
        inputs = SIGNATURES[name][0]
        assert {key: value.ndim for key, value in arrays.items()} == {
            key: rank for key, (_, rank) in inputs.items()
        }
        assert len({len(value) for value in arrays.values()}) == 1
    rows = [arrays["input_ids"] for name, arrays in requests if name == "fill_mask_ids"]
    assert [row.shape for row in rows] == [(1, 8), (1, 32), (1, 128)]
    assert all(row[0, 1] == 9 and (row == 9).sum() == 1 for row in rows)
    assert requests[0][1]["text"].tolist() == [b"a <m>"]


def test_no_more_than_a_server_takes(tmp_path: Path) -> None:
    texts = ["a <m>"] * 1200
    assert warmup.write_warmup(tmp_path / "r", ["serving_default"], texts, 8, 9) == 1000
    assert len(_read(tmp_path / "r")) == 1000
    only = warmup.write_warmup(tmp_path / "s", ["fill_mask_ids"], texts, 8, 9)
    assert [name for name, _ in _read(tmp_path / "s")] == ["fill_mask_ids"] and only == 1
