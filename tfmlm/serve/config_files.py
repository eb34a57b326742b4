"""The configuration files of `tensorflow_model_server`, in protobuf's text format.

`tensorflow-serving-api` ships the messages of `models.config` only. The other three are described
here; sources: `tensorflow_serving/config/monitoring_config.proto`, `ssl_config.proto` and
`tensorflow_serving/servables/tensorflow/session_bundle_config.proto`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory, text_format, wrappers_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tfmlm.descriptors import file_descriptor
from tfmlm.errors import UserError

_MESSAGES = {
    "PrometheusConfig": ["1 bool enable", "2 string path"],
    "MonitoringConfig": ["1 .tensorflow.serving.PrometheusConfig prometheus_config"],
    "SSLConfig": [
        "1 string server_key",
        "2 string server_cert",
        "3 string custom_ca",
        "4 bool client_verify",
    ],
    "BatchingParameters": [
        "1 .google.protobuf.Int64Value max_batch_size",
        "2 .google.protobuf.Int64Value batch_timeout_micros",
        "3 .google.protobuf.Int64Value max_enqueued_batches",
        "4 .google.protobuf.Int64Value num_batch_threads",
        "5 .google.protobuf.StringValue thread_pool_name",
        "6 repeated int64 allowed_batch_sizes",
        "7 bool pad_variable_length_inputs",
        "8 .google.protobuf.BoolValue enable_large_batch_splitting",
        "9 .google.protobuf.Int64Value max_execution_batch_size",
    ],
}

_pool = descriptor_pool.DescriptorPool()
_wrappers = FileDescriptorProto()
wrappers_pb2.DESCRIPTOR.CopyToProto(_wrappers)
_pool.Add(_wrappers)
_pool.Add(
    file_descriptor(
        "tfmlm/serve/config.proto", "tensorflow.serving", _MESSAGES, imports=(_wrappers.name,)
    )
)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(
        _pool.FindMessageTypeByName(f"tensorflow.serving.{name}")
    )


MonitoringConfig = _message("MonitoringConfig")
SSLConfig = _message("SSLConfig")
BatchingParameters = _message("BatchingParameters")

PROMETHEUS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True, kw_only=True)
class BatchingOptions:
    """Server-side batching; defaults as in `tensorflow_model_server` without a file.

    Attributes:
        max_batch_size: most rows in one run.
        batch_timeout_micros: longest wait for more rows, in microseconds.
        max_enqueued_batches: full batches that may wait; more are refused as UNAVAILABLE.
        num_batch_threads: runs at a time.
        allowed_batch_sizes: a batch is padded with copies of a row up to the next of these.
        pad_variable_length_inputs: pad the other dimensions of inputs so that they fit together.
        thread_pool_name: label of the metrics.
        max_execution_batch_size: rows in one run where larger requests are split; else None.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    thread_pool_name: str = "model_server_batch_threads"
    max_execution_batch_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1. Received: {getattr(self, name)}")
        if self.batch_timeout_micros < 0:
            raise UserError(
                f"batch_timeout_micros must be positive or 0. Received: {self.batch_timeout_micros}"
            )
        sizes = self.allowed_batch_sizes
        last = self.max_execution_batch_size or self.max_batch_size
        if sizes and list(sizes) != sorted(set(sizes)):
            raise UserError("allowed_batch_sizes entries must be monotonically increasing")
        if sizes and sizes[-1] != last:
            raise UserError(
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
                f"{sizes[-1]}; expected {last}"
            )


def read_text_proto(path: str | os.PathLike[str], message: Any) -> Any:
    """Parses a file into `message`.

    Raises:
        UserError: the file cannot be read, or is not such a message; says where.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"cannot read {path}: {reason}") from None
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise UserError(f"{path} is not a {message.DESCRIPTOR.name}: {error}") from None


def read_batching_options(path: str | os.PathLike[str]) -> BatchingOptions:
    """Options from a `batching.config`.

    Raises:
        UserError: the file is wrong.
    """
    parameters = read_text_proto(path, BatchingParameters())
    values: dict[str, Any] = {}
    for name in (
        "max_batch_size",
        "batch_timeout_micros",
        "max_enqueued_batches",
        "num_batch_threads",
        "thread_pool_name",
    ):
        if parameters.HasField(name):
            values[name] = getattr(parameters, name).value
    if parameters.enable_large_batch_splitting.value:
        largest = values.get("max_batch_size", BatchingOptions.max_batch_size)
        wanted = parameters.max_execution_batch_size.value or largest
        if wanted > largest:
            raise UserError(f"{path}: max_execution_batch_size is over max_batch_size")
        values["max_execution_batch_size"] = wanted
    return BatchingOptions(
        allowed_batch_sizes=tuple(parameters.allowed_batch_sizes),
        pad_variable_length_inputs=parameters.pad_variable_length_inputs,
        **values,
    )


def read_prometheus_path(path: str | os.PathLike[str]) -> str | None:
    """The URL path of the metrics in a `monitoring.config`; None if they are off."""
    config = read_text_proto(path, MonitoringConfig()).prometheus_config
    if not config.enable:
        return None
    if config.path and not config.path.startswith("/"):
        raise UserError(f"{path}: the path of the metrics must begin with a slash")
    return config.path or PROMETHEUS_PATH
