"""The REST interface, after `tensorflow_serving/model_servers/http_rest_api_handler.cc`."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.parse
from importlib import resources
from typing import Any

from aiohttp import web

from tfmlm.serve.grpc_services import unimplemented
from tfmlm.serve.json_tensors import read_body, read_inputs, write_outputs
from tfmlm.serve.predict import DEFAULT_SIGNATURE, ModelSpec, Plan, Predictor, make_plan
from tfmlm.serve.service import signature_map, status_response
from tfmlm.serve.status import StatusError, invalid_argument

# kPredictionApiGegex and kModelStatusApiRegex of http_rest_api_util.cc
_CALL = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)", re.I
)
_LOOK = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(?:/(metadata))?", re.I
)
#: Bodies up to this size are read and written in the event loop, larger ones in a thread.
_INLINE_BYTES = 64 * 1024
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
_PAGE_HEADERS = {
    # one static page: nothing from elsewhere, no framing
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class RestApi:
    """The handlers, for one `web.Application`.

    Args:
        metrics_path: where Prometheus reads; None turns it off.
        cors: send the headers that let pages of other origins call.
    """

    def __init__(
        self, predictor: Predictor, metrics_path: str | None = None, cors: bool = False
    ) -> None:
        self._predictor = predictor
        self._manager = predictor.manager
        self._metrics_path = metrics_path
        self._cors = cors
        self._page = resources.files("tfmlm.serve").joinpath("playground.html").read_text("utf-8")

    def application(self, max_body_bytes: int) -> web.Application:
        """The application to run."""
        app = web.Application(client_max_size=max_body_bytes)
        app.router.add_route("*", "/{anything:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.Response:
        """Answers any request."""
        path = request.rel_url.raw_path
        if self._metrics_path is not None and path == self._metrics_path:
            return web.Response(text=self._predictor.metrics.page(), content_type="text/plain")
        if path in ("/", "/index.html") and request.method in ("GET", "HEAD"):
            return web.Response(
                text=self._playground(), content_type="text/html", headers=_PAGE_HEADERS
            )
        if not re.fullmatch(r"/v1/.*", path, re.I):
            return web.Response(status=404, text=f"no such page: {path}\n")
        started = time.monotonic()
        name = ""
        headers = dict(_CORS) if self._cors else {}
        try:
            if request.method == "OPTIONS":
                if not re.search("https?://", request.headers.get("Origin", "")):
                    raise StatusError(
                        "FAILED_PRECONDITION", "Origin header is missing in CORS preflight"
                    )
                return web.Response(headers=headers)
            if request.method == "POST":
                name, call = self._parse_call(path)[:2]
                body = await self._call(request, path, started + self._predictor.timeout)
            else:
                call = ""
                name, body = self._look(request.method, path)
            code = "OK"
        except StatusError as error:
            code, status = error.code, error.http_status
            body = json.dumps({"error": error.message}, ensure_ascii=False).encode(
                "utf-8", "replace"
            )
        except web.HTTPRequestEntityTooLarge:
            code, status = "INVALID_ARGUMENT", 413
            limit = request.client_max_size
            body = json.dumps({"error": f"the request is larger than {limit} bytes"}).encode()
        metrics = self._predictor.metrics
        known = name if name in self._manager.model_names() else ""
        metrics.request_count.increment(known, code)
        if code == "OK":
            elapsed = (time.monotonic() - started) * 1e6
            metrics.request_latency.observe(elapsed, known, call, "REST")
            status = 200
        return web.Response(
            body=body, status=status, content_type="application/json", headers=headers
        )

    def _parse_call(self, path: str) -> tuple[str, str, ModelSpec]:
        found = _CALL.fullmatch(path)
        if not found:
            raise invalid_argument(f"Malformed request: POST {path}")
        spec = _spec(found)
        return spec.name, found[4].lower(), spec

    async def _call(self, request: web.Request, path: str, deadline: float) -> bytes:
        _, call, spec = self._parse_call(path)
        if call != "predict":
            raise unimplemented(call.capitalize())
        predictor = self._predictor
        with predictor.admitted():
            try:
                body = await asyncio.wait_for(request.read(), deadline - time.monotonic())
            except TimeoutError:
                raise StatusError("DEADLINE_EXCEEDED", "Timed out reading the request") from None
            with predictor.servable(spec) as servable:
                plan, by_rows = await self._apart(len(body), _plan, body, servable)
                outputs = await predictor.run(servable, plan, deadline)
            named = dict(zip(plan.aliases, outputs, strict=True))
            size = sum(output.size for output in outputs) * 16
            return await self._apart(size, write_outputs, named, by_rows)

    async def _apart(self, size: int, function: Any, *args: Any) -> Any:
        """Calls a function, in a thread if there is much for it to do."""
        if size <= _INLINE_BYTES:
            return function(*args)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._predictor.executor, function, *args)

    def _look(self, method: str, path: str) -> tuple[str, bytes]:
        found = _LOOK.fullmatch(path)
        if method not in ("GET", "HEAD") or not found:
            raise invalid_argument(f"Malformed request: {method} {path}")
        if not found[1]:
            raise invalid_argument("Missing model name in request.")
        spec = _spec(found)
        body = self._metadata(spec) if found[4] else self._status(spec)
        return spec.name, body.encode("utf-8")

    def _status(self, spec: ModelSpec) -> str:
        from google.protobuf import json_format
        from tensorflow_serving.apis import get_model_status_pb2

        response = status_response(
            self._manager, spec.name, spec.version, get_model_status_pb2.GetModelStatusResponse()
        )
        return json_format.MessageToJson(
            response, always_print_fields_with_no_presence=True, ensure_ascii=False, indent=1
        )

    def _metadata(self, spec: ModelSpec) -> str:
        from google.protobuf import json_format
        from tensorflow_serving.apis import model_pb2

        with self._predictor.servable(spec) as servable:
            model_spec = model_pb2.ModelSpec(name=servable.name)
            model_spec.version.value = servable.version
            parts = [
                json_format.MessageToJson(
                    message,
                    always_print_fields_with_no_presence=True,
                    preserving_proto_field_name=True,
                    ensure_ascii=False,
                    indent=1,
                )
                for message in (model_spec, signature_map(servable))
            ]
        return f'{{\n"model_spec":{parts[0]},\n"metadata": {{"signature_def": {parts[1]}}}\n}}\n'

    def _playground(self) -> str:
        """The page, with what it cannot ask a TensorFlow Serving for: the models there are."""
        names = [
            {"name": name, "labels": sorted(self._manager.labels(name))}
            for name in self._manager.model_names()
        ]
        listed = json.dumps(names).replace("<", "\\u003c")
        return self._page.replace("/*models*/[]", listed, 1)


def _spec(found: re.Match[str]) -> ModelSpec:
    version = int(found[2]) if found[2] else None
    if version is not None and version >= 1 << 63:
        raise invalid_argument(f"Failed to convert version: {found[2]} to numeric.")
    label = urllib.parse.unquote(found[3]) if found[3] else None
    return ModelSpec(urllib.parse.unquote(found[1], errors="replace"), version, label)


def _plan(body: bytes, servable: Any) -> tuple[Plan, bool]:
    document, name = read_body(body)
    signatures = servable.meta_graph.signature_def
    signature = signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid_argument(
            f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def'
        )
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    arrays, by_rows = read_inputs(document, signature.inputs)
    return make_plan(signature, arrays), by_rows
