"""Settings of the local server, named like the flags of `tensorflow_model_server`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tfmlm.errors import UserError

#: Runs at a time for each CPU: while one waits, another computes.
RUNS_PER_CPU = 4


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What the server is started with.

    Attributes not described here mean what the flag of the same name means to
    `tensorflow_model_server`. A port of 0 turns an interface off.

    Attributes:
        host: address to listen on; the loopback address unless told otherwise.
        max_body_bytes: largest request.
        max_batch_rows: most rows (texts) of one request.
        max_concurrent_requests: more at a time are refused as UNAVAILABLE (HTTP 503).
        max_answer_bytes: largest answer; what would be larger is refused.
        max_connections, max_connections_per_peer: of each interface, and from one address (REST);
            fewer where the limit of open files is low.
        head_timeout_seconds: time from connecting to the end of the first request's head.
        idle_timeout_seconds: time that a connection is kept open without a request.
        allowed_hosts: names beside the loopback names that requests may call the server by, with
            commas between them; `*` for any. Without it any name is allowed when `host` is not a
            loopback address.
        drain_seconds: time until the server is gone after SIGTERM; running requests finish first.
        rest_api_timeout_in_ms: longest time for one request, over REST and over gRPC, from its
            first byte to the last one of its answer.
    """

    host: str = "127.0.0.1"
    port: int = 8500
    rest_api_port: int = 8501
    grpc_socket_path: str = ""
    model_name: str = "default"
    model_base_path: str = ""
    model_config_file: str = ""
    model_config_file_poll_wait_seconds: float = 0.0
    file_system_poll_wait_seconds: float = 1.0
    saved_model_tags: str = "serve"
    num_load_threads: int = 1
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 1_000_000
    allow_version_labels_for_unavailable_models: bool = False
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 1
    enable_batching: bool = False
    batching_parameters_file: str = ""
    monitoring_config_file: str = ""
    ssl_config_file: str = ""
    grpc_channel_arguments: str = ""
    rest_api_num_threads: int = RUNS_PER_CPU * (os.cpu_count() or 1)
    rest_api_timeout_in_ms: int = 30_000
    rest_api_enable_cors_support: bool = False
    tensorflow_session_parallelism: int = 0
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    tensorflow_session_config_file: str = ""
    enable_serialization_as_tensor_content: bool = False
    max_body_bytes: int = 16 * 1024 * 1024
    max_batch_rows: int = 1024
    max_concurrent_requests: int = 256
    max_answer_bytes: int = 64 * 1024 * 1024
    max_connections: int = 512
    max_connections_per_peer: int = 256
    head_timeout_seconds: float = 10.0
    idle_timeout_seconds: float = 60.0
    allowed_hosts: str = ""
    drain_seconds: float = 20.0

    def __post_init__(self) -> None:
        if not self.port and not self.grpc_socket_path and not self.rest_api_port:
            raise UserError("both interfaces are off; set --port or --rest_api_port")
        if self.port and self.port == self.rest_api_port:
            raise UserError(
                f"--port and --rest_api_port are both {self.port}; the gRPC and the REST interface "
                "need a port each"
            )
        for name in ("port", "rest_api_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise UserError(f"--{name} must be 0 to 65535. Received: {getattr(self, name)}")
        for name in (
            "rest_api_num_threads",
            "rest_api_timeout_in_ms",
            "max_body_bytes",
            "max_batch_rows",
            "max_concurrent_requests",
            "max_answer_bytes",
            "max_connections",
            "max_connections_per_peer",
            "num_request_iterations_for_warmup",
        ):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} must be at least 1. Received: {getattr(self, name)}")
        for name in ("head_timeout_seconds", "idle_timeout_seconds"):
            if not getattr(self, name) > 0:
                raise UserError(f"--{name} must be over 0. Received: {getattr(self, name)}")
        if not self.drain_seconds >= 0:
            raise UserError(f"--drain_seconds must be 0 or more. Received: {self.drain_seconds}")
        if not self.model_base_path and not self.model_config_file:
            raise UserError("give --model_base_path or --model_config_file")
        if self.batching_parameters_file and not self.enable_batching:
            raise UserError("--batching_parameters_file is set without --enable_batching")
        if not self.model_config_file:
            check_base_path(self.model_base_path)


def check_base_path(base_path: str) -> None:
    """Raises UserError if a folder is missing, or is a version instead of the folder above it."""
    folder = Path(base_path)
    if (folder / "saved_model.pb").is_file():
        raise UserError(
            f"--model_base_path {folder} is a version; give the folder above it: {folder.parent}"
        )
    if not folder.is_dir():
        raise UserError(f"--model_base_path {folder} is not a folder; make one with tfmlm export")
