"""Warm-up requests, which TF Serving runs before it takes the first real one.

Format: a TFRecord file of PredictionLog, https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FILE = "tf_serving_warmup_requests"
#: TF Serving refuses files with more records.
MOST_RECORDS = 1_000
BATCH = 8


def warmup_requests(
    signatures: Sequence[str], texts: Sequence[str], tokens: int
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Pairs of signature and inputs: each text alone, and a batch of the first texts.

    Args:
        signatures: those of the export.
        texts: texts with masks.
        tokens: tokens of the longest row sent to `fill_mask_ids`.
    """
    batches = [[text] for text in texts] + ([list(texts[:BATCH])] if len(texts) > 1 else [])
    if "serving_default" in signatures:
        for batch in batches:
            yield "serving_default", {"text": _strings(batch)}
        for batch in (batches[0], batches[-1]):
            size = len(batch)
            yield (
                "fill_mask_top_k",
                {"text": _strings(batch), "top_k": np.full([size], 10, np.int32)},
            )
            targets = np.array([["one", "two"]] * size, object)
            yield "fill_mask_targets", {"text": _strings(batch), "targets": targets}
            yield "tokenize", {"text": _strings(batch)}
        yield "score_text", {"text": _strings(batches[0])}
    length = 8
    while length <= tokens:
        ones = np.ones([1, length], np.int32)
        yield "fill_mask_ids", {"input_ids": ones.copy(), "attention_mask": ones}
        length *= 4


def write_warmup(
    path: Path, signatures: Sequence[str], texts: Sequence[str], tokens: int, mask_id: int
) -> int:
    """Writes the requests; returns how many."""
    import tensorflow as tf

    records = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in warmup_requests(signatures, texts, tokens):
            if records == MOST_RECORDS:
                break
            if "input_ids" in inputs:
                inputs["input_ids"][:, 1] = mask_id
            writer.write(_log(signature, inputs).SerializeToString())
            records += 1
    return records


def _log(signature: str, inputs: dict[str, np.ndarray]) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def _strings(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.encode() for text in texts], object)
