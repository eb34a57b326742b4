"""Client of TensorFlow Serving's gRPC interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from tfmlm.client import protos
from tfmlm.client.base import MAX_ANSWER_BYTES, Client
from tfmlm.client.errors import ServingError, no_server
from tfmlm.client.job import Predict
from tfmlm.client.settings import Retries, Tls
from tfmlm.client.states import VersionState
from tfmlm.client.tensors import fill_tensor, read_tensor
from tfmlm.errors import UserError

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_LARGEST_REQUEST = 256 * 1024 * 1024


class GrpcClient(Client):
    """Fills masks over gRPC.

    Args:
        target: `host:port`, or any other target of gRPC (`unix:/path`, `dns:///name:port`).
        model: the model's name on the server.
        version, label: ask this version, or the version with this label, instead of the latest.
        timeout: seconds for one request.
        retries: a `Retries`, or how often to try again while the server is unavailable.
        max_batch_size: most texts in one request.
        tls: a `Tls`, or True for TLS with the system's certificate authorities.
        metadata: pairs sent with every request, such as `("authorization", "Bearer …")`.
        max_answer_bytes: longer answers are refused.

    Raises:
        UserError: an argument is wrong.
    """

    def __init__(
        self,
        target: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 60.0,
        retries: Retries | int = 4,
        max_batch_size: int = 64,
        tls: Tls | bool = False,
        metadata: tuple[tuple[str, str], ...] = (),
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        if "://" in target and not target.startswith(("dns:", "unix:", "ipv4:", "ipv6:")):
            raise UserError(f"target must be host:port. Received: {target!r}")
        if not model:
            raise UserError("the model's name is missing")
        if version is not None and label is not None:
            raise UserError("give a version or a label, not both")
        super().__init__(
            f"grpc://{target}/{model}", timeout, retries, max_batch_size, max_answer_bytes
        )
        self._target = target
        self._spec = {"name": model}
        self._version, self._label = version, label
        self._metadata = metadata or None
        self._credentials = _credentials(tls)
        self._options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", max_answer_bytes),
            ("grpc.max_send_message_length", _LARGEST_REQUEST),
            # no compressed answers (bit 0: identity): what they hold has no limit in gRPC
            ("grpc.compression_enabled_algorithms_bitset", 1),
            ("grpc.enable_retries", 0),  # done here, alike for both protocols
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if isinstance(tls, Tls) and tls.server_name:
            self._options.append(("grpc.ssl_target_name_override", tls.server_name))
        self._channel: grpc.Channel | None = None
        self._async_channel: grpc.aio.Channel | None = None

    def _status(self, timeout: float) -> dict[int, str]:
        request = protos.GetModelStatusRequest()
        request.model_spec.name = self._spec["name"]
        call = self._sync().unary_unary(_STATUS)
        try:
            body = call(request.SerializeToString(), timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._error(error) from None
        reply = self._parse(protos.GetModelStatusResponse, body)
        return {
            entry.version: VersionState.name_of(entry.state) for entry in reply.model_version_status
        }

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def aclose(self) -> None:
        self.close()
        if self._async_channel is not None:
            await self._async_channel.close()
            self._async_channel = None

    def _predict(self, request: Predict) -> dict[str, Any]:
        # bytes in and out: what is no message is our error, not a traceback of gRPC's
        call = self._sync().unary_unary(_PREDICT)
        try:
            body = call(self._message(request), timeout=self.timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._error(error) from None
        return self._outputs(body)

    async def _predict_async(self, request: Predict) -> dict[str, Any]:
        if self._async_channel is None:
            if self._credentials is None:
                self._async_channel = grpc.aio.insecure_channel(self._target, options=self._options)
            else:
                self._async_channel = grpc.aio.secure_channel(
                    self._target, self._credentials, options=self._options
                )
        call = self._async_channel.unary_unary(_PREDICT)
        try:
            body = await call(self._message(request), timeout=self.timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from None
        return self._outputs(body)

    def _sync(self) -> grpc.Channel:
        if self._channel is None:
            if self._credentials is None:
                self._channel = grpc.insecure_channel(self._target, options=self._options)
            else:
                self._channel = grpc.secure_channel(
                    self._target, self._credentials, options=self._options
                )
        return self._channel

    def _message(self, request: Predict) -> bytes:
        # no output_filter: the server optimizes the graph anew for each set of outputs, which takes
        # seconds, and warm-up has done so for the whole set; nor do different sets share batches
        message = protos.PredictRequest()
        spec = message.model_spec
        spec.name = self._spec["name"]
        spec.signature_name = request.signature
        if self._version is not None:
            spec.version.value = self._version
        if self._label is not None:
            spec.version_label = self._label
        for name, values in request.inputs.items():
            fill_tensor(message.inputs[name], values)
        return message.SerializeToString()

    def _parse(self, kind: Any, body: bytes) -> Any:
        try:
            return kind.FromString(body)
        except DecodeError:
            raise self._wrong(f"no {kind.DESCRIPTOR.name}") from None

    def _outputs(self, body: bytes) -> dict[str, Any]:
        outputs = {}
        for name, tensor in self._parse(protos.PredictResponse, body).outputs.items():
            try:
                outputs[name] = read_tensor(tensor)
            except ValueError as error:
                raise self._wrong(f"output {name[:40]!r}: {error}") from None
        return outputs

    def _error(self, error: Any) -> ServingError:
        details = error.details() or ""
        if error.code() == grpc.StatusCode.UNAVAILABLE and (
            "Connection refused" in details or "No such file or directory" in details
        ):
            return no_server(self.address)
        return ServingError(error.code().name, details, self.address)


def _credentials(tls: Tls | bool) -> grpc.ChannelCredentials | None:
    if not tls:
        return None
    if tls is True:
        tls = Tls()
    return grpc.ssl_channel_credentials(
        root_certificates=_read(tls.ca_file),
        private_key=_read(tls.key_file),
        certificate_chain=_read(tls.cert_file),
    )


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
