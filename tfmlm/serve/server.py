"""Puts the parts together, listens, and drains when told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tfmlm.errors import RunFailedError, UserError
from tfmlm.heap import trim_heap
from tfmlm.serve.batching import BatchScheduler
from tfmlm.serve.config_files import (
    BatchingOptions,
    SSLConfig,
    read_batching_options,
    read_prometheus_path,
    read_text_proto,
)
from tfmlm.serve.hosts import HostRule
from tfmlm.serve.manager import ModelManager
from tfmlm.serve.metrics import Metrics
from tfmlm.serve.minute_log import MinuteLog
from tfmlm.serve.model_config import read_model_config, single_model_config
from tfmlm.serve.options import ServerOptions
from tfmlm.serve.predict import Predictor, arrays_of_request, find_signature, make_plan
from tfmlm.serve.servable import (
    Servable,
    register_servable_ops,
    release_memory,
)
from tfmlm.serve.status import StatusError
from tfmlm.serve.warmup import warmup_requests

log = logging.getLogger("tfmlm.serve")

_WARMUP_TIMEOUT_MS = 600_000
#: Calls at a time on one gRPC connection, and the time after which a connection is made anew.
_STREAMS = 256
_CONNECTION_AGE_MS = 600_000
#: Pause between looks whether memory can be given back, in seconds.
_TRIM_SECONDS = 15.0
#: Connections that the system may hold until they are accepted. Those that are accepted at once
#: have a descriptor before they can be refused.
_BACKLOG = 64


class Server:
    """One server: models, gRPC interface, REST interface.

    Raises:
        UserError: a configuration file is wrong.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.metrics = Metrics()
        self._metrics_path = (
            read_prometheus_path(options.monitoring_config_file)
            if options.monitoring_config_file
            else None
        )
        self._config = self._read_config()
        batching = None
        if options.enable_batching:
            batching = (
                read_batching_options(options.batching_parameters_file)
                if options.batching_parameters_file
                else BatchingOptions()
            )
        self._session_config = _session_config(options)
        self._credentials = _grpc_credentials(options.ssl_config_file)
        self._batching = BatchScheduler(batching, self.metrics) if batching else None
        self._minute_log = MinuteLog(log)
        self.manager = ModelManager(
            self._load,
            poll_seconds=options.file_system_poll_wait_seconds,
            load_retries=options.max_num_load_retries,
            retry_seconds=max(options.load_retry_interval_micros, 0) / 1e6,
            labels_for_missing=options.allow_version_labels_for_unavailable_models,
            num_load_threads=options.num_load_threads,
        )
        self.predictor = Predictor(
            self.manager,
            self.metrics,
            self._batching,
            num_threads=options.rest_api_num_threads,
            max_batch_rows=options.max_batch_rows,
            max_requests=options.max_concurrent_requests,
            timeout=options.rest_api_timeout_in_ms / 1e3,
            max_answer_bytes=options.max_answer_bytes,
        )
        self._hosts = HostRule(options.host, options.allowed_hosts)
        self._grpc: Any = None
        self._runner: Any = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Loads the models, then listens.

        Raises:
            UserError: the configuration is wrong, or a port is taken.
            RunFailedError: a model cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        self.manager.start_polling()  # a first version may be on its way
        try:
            await loop.run_in_executor(None, self.manager.configure, self._config)
        except StatusError as error:
            kind = RunFailedError if error.code == "UNKNOWN" else UserError
            raise kind(f"the models cannot be served: {error.message}") from None
        await self._start_grpc()
        await self._start_rest()
        if self.options.model_config_file and self.options.model_config_file_poll_wait_seconds > 0:
            self._tasks.append(asyncio.create_task(self._poll_config()))
        self._tasks.append(asyncio.create_task(self._give_memory_back()))

    async def stop(self) -> bool:
        """Stops listening, lets running requests finish, and closes the models, within
        `drain_seconds`.

        Returns:
            Whether all of it is over; a load or a run that TensorFlow is at cannot be stopped.
        """
        end = time.monotonic() + self.options.drain_seconds
        self.manager.stop_loading()
        for task in self._tasks:
            task.cancel()
        stops = []
        if self._grpc is not None:
            stops.append(self._grpc.stop(self.options.drain_seconds))
        if self._runner is not None:
            # aiohttp waits twice: for the handlers, and for those that it has cancelled
            cleanup = self._runner.cleanup()
            stops.append(asyncio.wait_for(cleanup, self.options.drain_seconds + 0.5))
        await asyncio.gather(*stops, return_exceptions=True)
        loop = asyncio.get_running_loop()

        def close() -> bool:
            # what is cheap may still be done when the time is over
            if self._batching is not None:
                self._batching.stop(max(end - time.monotonic(), 0.5))
            return self.manager.stop(max(end - time.monotonic(), 0.5))

        closed = await loop.run_in_executor(None, close)
        self.predictor.close()
        return closed

    def addresses(self) -> dict[str, Any]:
        """Where the server listens, and which models it has."""
        options = self.options
        host = f"[{options.host}]" if ":" in options.host else options.host
        found: dict[str, Any] = {"models": self.manager.model_names()}
        if options.port:
            found["grpc"] = f"{host}:{options.port}"
        if options.grpc_socket_path:
            found["grpc_socket"] = options.grpc_socket_path
        if options.rest_api_port:
            found["rest"] = f"http://{host}:{options.rest_api_port}"
            if self._metrics_path:
                found["metrics"] = found["rest"] + self._metrics_path
        return found

    def _read_config(self) -> Any:
        options = self.options
        if options.model_config_file:
            return read_model_config(options.model_config_file)
        return single_model_config(
            options.model_name, str(Path(options.model_base_path).absolute())
        )

    def _load(self, name: str, version: int, path: Path) -> Servable:
        tags = [tag for tag in self.options.saved_model_tags.split(",") if tag]
        servable = Servable.load(name, version, path, tags, self._session_config)
        try:
            if self.options.enable_model_warmup:
                self._warm_up(servable, path)
        except BaseException:
            servable.close()
            raise
        release_memory()  # what reading and optimizing the graph needed
        return servable

    def _warm_up(self, servable: Servable, path: Path) -> None:
        for request in warmup_requests(path):
            _, signature = find_signature(servable, request.model_spec.signature_name)
            arrays = arrays_of_request(signature, request.inputs)
            plan = make_plan(signature, arrays, request.output_filter)
            for _ in range(self.options.num_request_iterations_for_warmup):
                servable.run(plan.feeds, plan.fetches, _WARMUP_TIMEOUT_MS)

    async def _start_grpc(self) -> None:
        options = self.options
        if not options.port and not options.grpc_socket_path:
            return
        import grpc

        from tfmlm.serve.connections import connection_limit
        from tfmlm.serve.grpc_services import ModelService, PredictionService, add_service

        connections = connection_limit(options.max_connections)
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", options.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                # no compressed requests (bit 0: identity): what they hold has no limit in gRPC
                ("grpc.compression_enabled_algorithms_bitset", 1),
                ("grpc.max_concurrent_streams", _STREAMS),
                ("grpc.max_allowed_incoming_connections", connections),
                ("grpc.server_handshake_timeout_ms", int(options.head_timeout_seconds * 1000)),
                ("grpc.max_connection_idle_ms", int(options.idle_timeout_seconds * 1000)),
                # so that calls which never end do not keep a connection for ever
                ("grpc.max_connection_age_ms", _CONNECTION_AGE_MS),
                ("grpc.max_connection_age_grace_ms", options.rest_api_timeout_in_ms),
                *_channel_arguments(options.grpc_channel_arguments),
            ]
        )
        as_content = options.enable_serialization_as_tensor_content
        add_service(PredictionService(self.predictor, as_content), server)
        add_service(ModelService(self.manager), server)
        targets = []
        if options.port:
            host = f"[{options.host}]" if ":" in options.host else options.host
            targets.append(f"{host}:{options.port}")
        if options.grpc_socket_path:
            targets.append(f"unix:{options.grpc_socket_path}")
        for target in targets:
            try:
                if self._credentials is None:
                    bound = server.add_insecure_port(target)
                else:
                    bound = server.add_secure_port(target, self._credentials)
            except RuntimeError:
                bound = 0
            if not bound:
                raise UserError(f"cannot listen on {target} for gRPC; is it in use?")
        await server.start()
        self._grpc = server

    async def _start_rest(self) -> None:
        options = self.options
        if not options.rest_api_port:
            return
        from aiohttp import web

        from tfmlm.serve.connections import Connections, RestServer, connection_limit
        from tfmlm.serve.rest import RestApi

        api = RestApi(
            self.predictor,
            options.max_body_bytes,
            self._hosts,
            self._metrics_path,
            options.rest_api_enable_cors_support,
        )
        connections = Connections(
            total=connection_limit(options.max_connections),
            per_peer=options.max_connections_per_peer,
            head_seconds=options.head_timeout_seconds,
            log=self._minute_log,
        )
        server = RestServer(
            connections,
            api.handle,
            access_log=None,
            logger=log,
            auto_decompress=False,  # done by RestApi, within max_body_bytes
            keepalive_timeout=options.idle_timeout_seconds,
            lingering_time=2.0,
        )
        runner = web.ServerRunner(server, shutdown_timeout=options.drain_seconds)
        await runner.setup()
        try:
            site = web.TCPSite(runner, options.host, options.rest_api_port, backlog=_BACKLOG)
            await site.start()
        except OSError as error:
            await runner.cleanup()
            reason = "in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise UserError(
                f"cannot listen on {options.host}:{options.rest_api_port} for REST: {reason}"
            ) from None
        self._runner = runner
        self._tasks.append(asyncio.create_task(connections.close_slow_ones()))

    async def _give_memory_back(self) -> None:
        """Gives free memory back to the system after requests, until it is cancelled."""
        loop = asyncio.get_running_loop()
        served = self.predictor.served
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            if self.predictor.served != served:
                served = self.predictor.served
                await loop.run_in_executor(None, trim_heap)

    async def _poll_config(self) -> None:
        """Reads `model_config_file` again and again, and takes what has changed."""
        current = self._config.SerializeToString(deterministic=True)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.options.model_config_file_poll_wait_seconds)
            try:
                config = self._read_config()
                serialized = config.SerializeToString(deterministic=True)
                if serialized != current:
                    await loop.run_in_executor(None, self.manager.configure, config)
                    current = serialized
                    log.info("%s is read again", self.options.model_config_file)
            except (UserError, StatusError) as error:
                log.error("the new model configuration is not used: %s", error)


async def serve(options: ServerOptions, ready: Callable[[Server], None]) -> None:
    """Runs a server until SIGTERM or SIGINT; `ready` is called when it listens.

    Raises:
        UserError, RunFailedError: it cannot be started.
    """
    server = Server(options)
    _settle_imports()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    faults = MinuteLog(log)

    def one_line(_: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        faults.add(str(context.get("message", "a fault")), f"{type(error).__name__}: {error}")

    loop.set_exception_handler(one_line)  # such as one for each connection without a descriptor
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(server.start())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ready(server)
            await stopping
            log.info("stopping; running requests may finish")
        else:
            starting.cancel()
    except BaseException:
        await server.stop()
        raise
    finally:
        stopping.cancel()
    if not await server.stop() or _busy_threads():
        # what TensorFlow is at cannot be stopped, and Python would wait for it
        log.warning("gone without waiting for a load or a run that cannot be stopped")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _busy_threads() -> bool:
    """Whether threads of the server that are told to end have not ended after a moment."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        threads = [t for t in threading.enumerate() if t.name.startswith("tfmlm-") and not t.daemon]
        if not threads:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def running(options: ServerOptions) -> Iterator[Server]:
    """A server in a thread of this process, for notebooks and tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tfmlm-serve", daemon=True)
    thread.start()

    def call(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    async def make() -> Server:
        return Server(options)

    server = call(make())
    try:
        call(server.start())
        yield server
    finally:
        call(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _settle_imports() -> None:
    """Takes what the imports made, which stays until the end, out of garbage collection.

    Requests wait for a collection, and each load and unload needs some.
    """
    register_servable_ops()
    gc.collect()
    gc.freeze()


def _session_config(options: ServerOptions) -> Any:
    import tensorflow as tf

    config = tf.compat.v1.ConfigProto()
    if options.tensorflow_session_config_file:
        read_text_proto(options.tensorflow_session_config_file, config)
    intra, inter = options.tensorflow_intra_op_parallelism, options.tensorflow_inter_op_parallelism
    both = options.tensorflow_session_parallelism
    if both and (intra or inter):
        raise UserError(
            "set --tensorflow_session_parallelism, or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism, not all"
        )
    if intra or both:
        config.intra_op_parallelism_threads = intra or both
    if inter or both:
        config.inter_op_parallelism_threads = inter or both
    # threads of their own per session would double with every version
    config.use_per_session_threads = False
    return config


def _grpc_credentials(path: str) -> Any:
    if not path:
        return None
    import grpc

    config = read_text_proto(path, SSLConfig())
    if not config.server_key or not config.server_cert:
        raise UserError(f"{path}: server_key and server_cert are needed")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def _channel_arguments(text: str) -> list[tuple[str, Any]]:
    arguments: list[tuple[str, Any]] = []
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"--grpc_channel_arguments must be KEY=VALUE,… Received: {part!r}")
        number = value.lstrip("-").isdigit()
        arguments.append((key, int(value) if number else value))
    return arguments
