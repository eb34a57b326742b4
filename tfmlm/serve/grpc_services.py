"""PredictionService and ModelService over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from tfmlm.serve.manager import ModelManager
from tfmlm.serve.message_scan import scan_predict_request
from tfmlm.serve.predict import (
    INLINE_BYTES,
    ModelSpec,
    Plan,
    Predictor,
    arrays_of_request,
    find_signature,
)
from tfmlm.serve.service import metadata_response, status_response
from tfmlm.serve.status import StatusError, invalid_argument
from tfmlm.serve.tensors import fill_proto

_CODES = {code.name: code for code in grpc.StatusCode}


class PredictionService:
    """Predict and GetModelMetadata; the other calls are refused as UNIMPLEMENTED."""

    def __init__(self, predictor: Predictor, as_content: bool = False) -> None:
        self._predictor = predictor
        self._as_content = as_content

    async def Predict(self, body: bytes, context: Any) -> Any:  # noqa: N802
        started = time.monotonic()
        limit = self._predictor.timeout
        remaining = context.time_remaining()
        deadline = started + (limit if remaining is None else min(limit, remaining))
        metrics = self._predictor.metrics
        names: list[str] = []
        try:
            with self._predictor.admitted():
                response = await self._predict(body, deadline, names)
        except StatusError as error:
            metrics.request_count.increment(self._known("".join(names)), error.code)
            return await _abort(context, error)
        metrics.request_count.increment(names[0], "OK")
        elapsed = (time.monotonic() - started) * 1e6
        metrics.request_latency.observe(elapsed, names[0], "Predict", "GRPC")
        return response

    async def _predict(self, body: bytes, deadline: float, names: list[str]) -> bytes:
        """The bytes of the answer; puts the model's name into `names` as soon as it is known."""
        predictor = self._predictor
        request = await predictor.apart(len(body), deadline, _parse_predict, body)
        names.append(request.model_spec.name)
        spec = spec_of_request(request)
        with predictor.servable(spec) as servable:
            name, signature = find_signature(servable, spec.signature)

            def plan() -> Plan:
                arrays = arrays_of_request(signature, request.inputs, predictor.max_batch_rows)
                return predictor.plan(servable, signature, arrays, request.output_filter)

            planned = await predictor.apart(len(body), deadline, plan)
            outputs = await predictor.run(servable, planned, deadline)

            def write(check: Callable[[], None]) -> bytes:
                response = predict_pb2.PredictResponse()
                response.model_spec.name = servable.name
                response.model_spec.version.value = servable.version
                response.model_spec.signature_name = name
                named = zip(planned.aliases, planned.dtypes, outputs, strict=True)
                for alias, dtype, array in named:
                    check()
                    fill_proto(response.outputs[alias], array, dtype, self._as_content)
                check()
                return response.SerializeToString()

            return await predictor.encode(outputs, planned.size, deadline, write)

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            spec = spec_of_request(request)
            if not request.metadata_field:
                raise invalid_argument(
                    "GetModelMetadataRequest must specify at least one metadata_field"
                )
            for wanted in request.metadata_field:
                if wanted != "signature_def":
                    raise invalid_argument(f"Metadata field {wanted} is not supported")
            with self._predictor.servable(spec) as servable:
                return metadata_response(servable)
        except StatusError as error:
            return await _abort(context, error)

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._refuse("Classify", request.model_spec.name, context)

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._refuse("Regress", request.model_spec.name, context)

    async def MultiInference(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._refuse("MultiInference", "", context)

    async def _refuse(self, call: str, name: str, context: Any) -> None:
        self._predictor.metrics.request_count.increment(self._known(name), "UNIMPLEMENTED")
        await _abort(context, unimplemented(call))

    def _known(self, name: str) -> str:
        """Names that clients invent do not become label values."""
        return name if name in self._predictor.manager.model_names() else ""


class ModelService:
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            if not request.HasField("model_spec"):
                raise invalid_argument("Missing ModelSpec")
            spec = request.model_spec
            version = spec.version.value if spec.HasField("version") else None
            return status_response(
                self._manager, spec.name, version, get_model_status_pb2.GetModelStatusResponse()
            )
        except StatusError as error:
            return await _abort(context, error)

    async def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        response = model_management_pb2.ReloadConfigResponse()
        try:
            if request.config.WhichOneof("config") != "model_config_list":
                raise invalid_argument(
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                    "Only ModelConfigList is currently supported"
                )
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._manager.configure, request.config)
        except StatusError as error:
            return await _abort(context, error)
        return response


def _parse_predict(body: bytes) -> Any:
    try:
        if len(body) > INLINE_BYTES:
            scan_predict_request(body)
        return predict_pb2.PredictRequest.FromString(body)
    except DecodeError:
        raise StatusError("INTERNAL", "Failed to parse PredictRequest") from None


#: Largest message of the other calls: names, versions, a configuration.
_SMALL_MESSAGE = 256 * 1024

#: The other calls, none of which a large message belongs to.
_REQUESTS = {
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "MultiInference": inference_pb2.MultiInferenceRequest,
    "GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
    "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest,
}


def add_service(service: PredictionService | ModelService, server: Any) -> None:
    """Registers a service.

    Messages are parsed here instead of by the generated code, so that bytes which are no message
    are refused as INTERNAL, as by TensorFlow Serving, without a traceback in the log, and so that
    large ones are looked at before they are parsed.
    """
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            _parsing(getattr(service, name), request_type),
            response_serializer=lambda response: response.SerializeToString(),
        )
        for name, request_type in _REQUESTS.items()
        if hasattr(service, name)
    }
    if isinstance(service, PredictionService):
        handlers["Predict"] = grpc.unary_unary_rpc_method_handler(service.Predict)
    full_name = f"tensorflow.serving.{type(service).__name__}"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(full_name, handlers),))


def _parsing(
    call: Callable[[Any, Any], Awaitable[Any]], request_type: Any
) -> Callable[[bytes, Any], Awaitable[Any]]:
    async def handle(body: bytes, context: Any) -> Any:
        name = request_type.DESCRIPTOR.name
        if len(body) > _SMALL_MESSAGE:
            error = invalid_argument(f"a {name} of {len(body)} bytes is none")
            return await _abort(context, error)
        try:
            request = request_type.FromString(body)
        except DecodeError:
            return await _abort(context, StatusError("INTERNAL", f"Failed to parse {name}"))
        return await call(request, context)

    return handle


def spec_of_request(request: Any) -> ModelSpec:
    """The ModelSpec of a request message."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    choice = spec.WhichOneof("version_choice")
    return ModelSpec(
        name=spec.name,
        version=spec.version.value if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
        signature=spec.signature_name,
    )


def unimplemented(call: str) -> StatusError:
    """The refusal of a call that a masked language model has no signature for."""
    return StatusError("UNIMPLEMENTED", f"{call} is not implemented by this server; use Predict")


async def _abort(context: Any, error: StatusError) -> None:
    await context.abort(_CODES[error.code], error.message)
