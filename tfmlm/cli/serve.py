"""`tfmlm serve`: a local server with TensorFlow Serving's interfaces."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from tfmlm.serve.options import RUNS_PER_CPU, ServerOptions

HELP = "serve exports over gRPC and REST like TensorFlow Serving, with a page to try them"
EXAMPLE = """\
tfmlm serve --model_name=mlm --model_base_path=export
curl -d '{"instances": ["Paris is the [MASK] of France."]}' \\
     http://localhost:8501/v1/models/mlm:predict
and open http://localhost:8501/ in a browser"""

_FILES = {
    "model_config_file": "ModelServerConfig in text format: several models, versions, labels",
    "batching_parameters_file": "BatchingParameters in text format",
    "monitoring_config_file": "MonitoringConfig in text format: Prometheus metrics",
    "ssl_config_file": "SSLConfig in text format: TLS for gRPC",
    "tensorflow_session_config_file": "ConfigProto in text format",
}
_FIRST = {
    "port": "port of the gRPC interface, 0 for none",
    "rest_api_port": "port of the REST interface and the page, 0 for none",
    "model_name": "name of the model",
    "model_base_path": "folder with a numbered folder for each version: what tfmlm export wrote",
}
_OTHERS = {
    "grpc_socket_path": "UNIX socket to listen on for gRPC too",
    "saved_model_tags": "tags of the graph to load",
    "grpc_channel_arguments": "KEY=VALUE,… for the gRPC server",
    "rest_api_num_threads": f"requests that run at a time, {RUNS_PER_CPU} for each CPU",
    "rest_api_timeout_in_ms": "longest time for a request, with its reading and writing",
    "file_system_poll_wait_seconds": "pause between looks for new versions",
    "model_config_file_poll_wait_seconds": "pause between looks at model_config_file, 0 for none",
    "num_load_threads": "versions loaded at a time",
    "max_num_load_retries": "further attempts to load a version",
    "load_retry_interval_micros": "pause between these",
    "num_request_iterations_for_warmup": "times that each warm-up request is run",
    "tensorflow_session_parallelism": "threads of TensorFlow, 0 for as many as CPUs",
    "tensorflow_intra_op_parallelism": "threads of one operation",
    "tensorflow_inter_op_parallelism": "operations at a time",
}
_SWITCHES = {
    "enable_batching": "answer requests that come together in one run",
    "enable_model_warmup": "run a version's recorded requests before it serves",
    "rest_api_enable_cors_support": "let pages of other origins call the REST interface",
    "allow_version_labels_for_unavailable_models": "let new labels name versions to come",
    "enable_serialization_as_tensor_content": "send tensors as bytes over gRPC",
}
_LOCAL_ONLY = {
    "host": "address to listen on; a loopback address is for this machine only",
    "allowed_hosts": "names beside localhost that requests may call the server by, with commas; "
    "* for any, which is also meant where --host is not a loopback address",
    "max_body_bytes": "largest request",
    "max_answer_bytes": "largest answer",
    "max_batch_rows": "most texts of one request",
    "max_concurrent_requests": "more at a time are refused with UNAVAILABLE",
    "max_connections": "most connections of each interface",
    "max_connections_per_peer": "most connections from one address (REST)",
    "head_timeout_seconds": "time until the first request's head has come",
    "idle_timeout_seconds": "time that an unused connection is kept",
    "drain_seconds": "time until the server is gone after SIGTERM; running requests finish first",
}
#: Flags of tensorflow_model_server that only it has a use for.
_OTHER_ENGINE = (
    "enable_grpc_healthcheck_service",
    "enable_per_model_batching_parameters",
    "enable_profiler",
    "enable_signature_method_name_check",
    "flush_filesystem_caches",
    "grpc_max_threads",
    "mixed_precision",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "num_unload_threads",
    "per_process_gpu_memory_fraction",
    "platform_config_file",
    "prefer_tflite_model",
    "remove_unused_fields_from_bundle_metagraph",
    "skip_initialize_tpu",
    "thread_pool_factory_config_file",
    "use_alts_credentials",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(ServerOptions)}

    def add(group: Any, name: str, text: str, metavar: str | None = None) -> None:
        default: Any = defaults[name]
        kind = type(default)
        group.add_argument(
            f"--{name}",
            default=argparse.SUPPRESS,
            type=kind,
            metavar=metavar or ("TEXT" if kind is str else "NUMBER"),
            help=text + _shown(default),
        )

    common = parser.add_argument_group("flags of tensorflow_model_server")
    for name, text in _FIRST.items():
        add(common, name, text)
    for name, text in _FILES.items():
        add(common, name, text, "FILE")
    for name, text in _OTHERS.items():
        add(common, name, text)
    for name, text in _SWITCHES.items():
        common.add_argument(
            f"--{name}",
            default=argparse.SUPPRESS,
            type=_boolean,
            nargs="?",
            const=True,
            metavar="true|false",
            help=text + _shown(defaults[name]),
        )
    for name in _OTHER_ENGINE:
        common.add_argument(
            f"--{name}", default=argparse.SUPPRESS, nargs="?", const="true", help=argparse.SUPPRESS
        )
    local = parser.add_argument_group("flags of the local server")
    for name, text in _LOCAL_ONLY.items():
        add(local, name, text)
    local.add_argument(
        "--engine",
        choices=("local", "tensorflow_model_server"),
        default="local",
        help="start tensorflow_model_server, from PATH, with the same flags instead",
    )
    local.add_argument("--json", action="store_true", help="print the addresses as one JSON line")


def run(args: argparse.Namespace) -> int:
    from tfmlm.errors import UserError

    given = {
        name: value
        for name, value in vars(args).items()
        if name in _all_flags() and value is not None
    }
    if args.engine != "local":
        from tfmlm.serve.engine import run_model_server

        refused = sorted(set(given) & set(_LOCAL_ONLY))
        if refused:
            raise UserError(f"--{refused[0]} is a flag of the local server; leave --engine out")
        return run_model_server(given)
    refused = sorted(set(given) & set(_OTHER_ENGINE))
    if refused:
        raise UserError(
            f"--{refused[0]} has no meaning for the local server; "
            "use --engine=tensorflow_model_server"
        )
    return _run_local(given, as_json=args.json, verbose=args.verbose or args.debug)


def _run_local(given: dict[str, Any], as_json: bool, verbose: bool) -> int:
    import asyncio
    import ipaddress
    import json
    import logging
    import sys

    options = ServerOptions(**given)  # before TensorFlow is imported: mistakes answer at once
    logger = logging.getLogger("tfmlm.serve")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    try:
        loopback = ipaddress.ip_address(options.host).is_loopback
    except ValueError:
        loopback = options.host == "localhost"
    if not loopback:
        logger.warning("listening on %s: whoever reaches it may use the models", options.host)

    from tfmlm.serve.server import Server, serve

    def ready(server: Server) -> None:
        found = server.addresses()
        if as_json:
            print(json.dumps(found), flush=True)
            return
        if "grpc" in found:
            print(f"gRPC        {found['grpc']}")
        if "grpc_socket" in found:
            print(f"gRPC        unix:{found['grpc_socket']}")
        if "rest" in found:
            for name in found["models"]:
                print(f"REST        {found['rest']}/v1/models/{name}:predict")
            print(f"playground  {found['rest']}/")
        if "metrics" in found:
            print(f"metrics     {found['metrics']}")
        print("stop with Ctrl-C", flush=True)

    asyncio.run(serve(options, ready))
    return 0


def _all_flags() -> set[str]:
    return {field.name for field in dataclasses.fields(ServerOptions)} | set(_OTHER_ENGINE)


def _shown(default: Any) -> str:
    """A default, for the help; the one owner of defaults is ServerOptions."""
    if default == "":
        return ""
    text = str(default).lower() if isinstance(default, bool) else f"{default}"
    return f" (default: {text.removesuffix('.0')})"


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"true or false, not {text!r}")
