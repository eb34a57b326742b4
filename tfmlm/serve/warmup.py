"""Replays a version's recorded requests before it serves, as TensorFlow Serving does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfmlm.serve.status import StatusError, invalid_argument

#: `tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h`
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000


def warmup_requests(folder: Path) -> Iterator[Any]:
    """The PredictRequests of a version folder; none where the file is missing.

    Raises:
        StatusError: the file is damaged, too long, or holds something else than Predict requests.
    """
    path = folder / WARMUP_FILE
    if not path.is_file():
        return
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()):
            if number >= MAX_RECORDS:
                raise invalid_argument(
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}"
                )
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise invalid_argument(
                    f"Unsupported log_type for warmup: {log.WhichOneof('log_type')}"
                )
            yield log.predict_log.request
    except (DecodeError, tf.errors.DataLossError) as error:
        raise StatusError(
            "DATA_LOSS", f"Failed to parse warmup record at {path}: {error}"
        ) from None
