"""The REST interface, after `tensorflow_serving/model_servers/http_rest_api_handler.cc`."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.parse
from importlib import resources
from typing import Any

import aiohttp
from aiohttp import web

from tfmlm.client.inflate import PIECE_BYTES, Inflater, TooLargeError
from tfmlm.serve.connections import Phase, connection_of
from tfmlm.serve.grpc_services import unimplemented
from tfmlm.serve.hosts import HostRule, is_cross_site
from tfmlm.serve.json_scan import JsonScan
from tfmlm.serve.json_tensors import read_body, read_inputs, write_outputs
from tfmlm.serve.predict import DEFAULT_SIGNATURE, INLINE_BYTES, ModelSpec, Plan, Predictor
from tfmlm.serve.service import signature_map, status_response
from tfmlm.serve.status import StatusError, cut, deadline_exceeded, invalid_argument
from tfmlm.serve.versions import version_number

# kPredictionApiGegex and kModelStatusApiRegex of http_rest_api_util.cc
_CALL = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)", re.I
)
_LOOK = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(?:/(metadata))?", re.I
)
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


#: Longest path in an answer or a metric.
_PATH_SHOWN = 200
#: Large bodies that may be coming at a time, as a multiple of `max_body_bytes`.
_BODIES = 8


class _Refusal(Exception):
    """An answer that has another status than those of TensorFlow Serving's codes."""

    def __init__(self, http_status: int, code: str, message: str) -> None:
        self.http_status, self.code, self.message = http_status, code, message


class RestApi:
    """The handlers, for one `web.Server`.

    Args:
        max_body_bytes: largest body, as sent and as it is when it is not compressed any more.
        hosts: which names the server answers to.
        metrics_path: where Prometheus reads; None turns it off.
        cors: send the headers that let pages of other origins call.
    """

    def __init__(
        self,
        predictor: Predictor,
        max_body_bytes: int,
        hosts: HostRule,
        metrics_path: str | None = None,
        cors: bool = False,
    ) -> None:
        self._predictor = predictor
        self._manager = predictor.manager
        self._max_body_bytes = max_body_bytes
        self._hosts = hosts
        self._metrics_path = metrics_path
        self._cors = cors
        self._arriving = 0  # bytes of large bodies that are not complete yet
        self._page = resources.files("tfmlm.serve").joinpath("playground.html").read_text("utf-8")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers any request."""
        connection_of(request).enter(Phase.WORK)
        path = request.rel_url.raw_path
        try:
            self._require_own_name(request)
        except _Refusal as refusal:
            return web.json_response({"error": refusal.message}, status=refusal.http_status)
        if self._metrics_path is not None and path == self._metrics_path:
            return web.Response(text=self._predictor.metrics.page(), content_type="text/plain")
        if path in ("/", "/index.html") and request.method in ("GET", "HEAD"):
            return web.Response(
                text=self._playground(), content_type="text/html", headers=_PAGE_HEADERS
            )
        if not re.fullmatch(r"/v1/.*", path, re.I):
            return web.Response(status=404, text=f"no such page: {cut(path, _PATH_SHOWN)}\n")
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
                self._require_json_of_other_sites(request)
                body = await self._call(request, path, started + self._predictor.timeout)
            else:
                call = ""
                name, body = self._look(request.method, path)
            code, status = "OK", 200
        except (StatusError, _Refusal) as error:
            code, status = error.code, error.http_status
            body = json.dumps({"error": error.message}, ensure_ascii=False).encode(
                "utf-8", "replace"
            )
        metrics = self._predictor.metrics
        known = name if name in self._manager.model_names() else ""
        metrics.request_count.increment(known, code)
        if code == "OK":
            elapsed = (time.monotonic() - started) * 1e6
            metrics.request_latency.observe(elapsed, known, call, "REST")
        return web.Response(
            body=body, status=status, content_type="application/json", headers=headers
        )

    def _require_own_name(self, request: web.BaseRequest) -> None:
        names = request.headers.getall("Host", [])
        if len(names) > 1 or (not names and request.version >= aiohttp.HttpVersion11):
            raise _Refusal(400, "INVALID_ARGUMENT", "a request has one Host header")
        # an absolute target has a name of its own
        for name in [*names, request.host] if names else []:
            if not self._hosts.allows(name):
                shown = cut(name, 100)
                raise _Refusal(
                    403,
                    "PERMISSION_DENIED",
                    f"this server does not answer to the name {shown!r}; it does if it is started "
                    f"with --allowed_hosts={shown}",
                )

    def _require_json_of_other_sites(self, request: web.BaseRequest) -> None:
        """Browsers send anything but JSON for any page without asking the server first."""
        if request.content_type != "application/json" and is_cross_site(
            request.headers, request.headers.get("Host", "")
        ):
            raise _Refusal(
                415,
                "INVALID_ARGUMENT",
                "a request that a page of another site makes has Content-Type: application/json",
            )

    def _parse_call(self, path: str) -> tuple[str, str, ModelSpec]:
        found = _CALL.fullmatch(path)
        if not found:
            raise invalid_argument(f"Malformed request: POST {cut(path, _PATH_SHOWN)}")
        spec = _spec(found)
        return spec.name, found[4].lower(), spec

    async def _call(self, request: web.BaseRequest, path: str, deadline: float) -> bytes:
        _, call, spec = self._parse_call(path)
        if call != "predict":
            raise unimplemented(call.capitalize())
        predictor = self._predictor
        connection_of(request).enter(Phase.BODY)
        try:
            # not counted as a request until it is one: slow senders keep nobody from being served
            body = await asyncio.wait_for(self._body(request), deadline - time.monotonic())
        except (TimeoutError, asyncio.TimeoutError):
            raise deadline_exceeded("reading the request") from None
        finally:
            connection_of(request).enter(Phase.WORK)
        with predictor.admitted(), predictor.servable(spec) as servable:
            plan, by_rows = await predictor.apart(
                len(body), deadline, _plan, predictor, body, servable
            )
            del body
            outputs = await predictor.run(servable, plan, deadline)
            named = dict(zip(plan.aliases, outputs, strict=True))
            return await predictor.encode(
                outputs, plan.size, deadline, lambda check: write_outputs(named, by_rows, check)
            )

    async def _body(self, request: web.BaseRequest) -> bytes:
        """The body, undone if it is compressed; judged while it comes."""
        limit = self._max_body_bytes
        too_large = _Refusal(413, "INVALID_ARGUMENT", f"the request is larger than {limit} bytes")
        if (request.content_length or 0) > limit:
            raise too_large
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = bytearray()
        scan: JsonScan | None = None
        counted = 0
        try:
            inflater = Inflater(request.headers.get("Content-Encoding", ""), limit)
            async for data in request.content.iter_any():
                for piece in inflater.feed(data):
                    body += piece
                    if len(body) > INLINE_BYTES:
                        if scan is None:
                            scan, piece = JsonScan(self._predictor.max_batch_rows), bytes(body)
                        scan.feed(piece)
                        self._arriving += len(body) - counted
                        counted = len(body)
                        if self._arriving > _BODIES * limit:
                            raise StatusError(
                                "UNAVAILABLE", "too many large requests at a time; try again later"
                            )
                    if len(piece) >= PIECE_BYTES:
                        await asyncio.sleep(0)  # others first: there may be a thousand pieces
            inflater.finish()
        except TooLargeError:
            raise too_large from None
        except (ValueError, web.RequestPayloadError, aiohttp.ClientPayloadError) as error:
            raise invalid_argument(f"the body cannot be read: {error}") from None
        finally:
            self._arriving -= counted
        return bytes(body)

    def _look(self, method: str, path: str) -> tuple[str, bytes]:
        found = _LOOK.fullmatch(path)
        if method not in ("GET", "HEAD") or not found:
            raise invalid_argument(f"Malformed request: {method} {cut(path, _PATH_SHOWN)}")
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
    version = version_number(found[2]) if found[2] else None
    if found[2] and version is None:
        shown = cut(found[2], _PATH_SHOWN)
        raise invalid_argument(f"Failed to convert version: {shown} to numeric.")
    label = urllib.parse.unquote(found[3]) if found[3] else None
    return ModelSpec(urllib.parse.unquote(found[1], errors="replace"), version, label)


def _plan(predictor: Predictor, body: bytes, servable: Any) -> tuple[Plan, bool]:
    document, name = read_body(body)
    signatures = servable.meta_graph.signature_def
    signature = signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid_argument(
            f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def'
        )
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    arrays, by_rows = read_inputs(document, signature.inputs, predictor.max_batch_rows)
    return predictor.plan(servable, signature, arrays), by_rows
