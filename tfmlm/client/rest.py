"""Client of TensorFlow Serving's REST interface.

One asynchronous core: the synchronous calls run it in a thread, so that both have the same total
deadline, limits and refusals.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import re
import ssl
from typing import TYPE_CHECKING, Any

from tfmlm.client.address import parse_rest_url
from tfmlm.client.background import BackgroundLoop
from tfmlm.client.base import MAX_ANSWER_BYTES, Client
from tfmlm.client.errors import ServingError, code_of_http_status, no_server
from tfmlm.client.inflate import Inflater, TooLargeError
from tfmlm.client.job import Predict
from tfmlm.client.settings import Retries, Tls
from tfmlm.errors import UserError

if TYPE_CHECKING:
    import aiohttp

_CONNECTIONS = 64
#: Most lists, objects and values of an answer: as Python objects they take far more than as bytes.
_MAX_VALUES = 1 << 22
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class RestClient(Client):
    """Fills masks over HTTP. Redirects are not followed: texts and headers are for one server.

    Args:
        url: `http(s)://host:port/v1/models/NAME`, with `/versions/N` or `/labels/LABEL` at the end
            to ask one version instead of the latest.
        timeout: seconds for one request, from connecting to the last byte of the answer.
        retries: a `Retries`, or how often to try again while the server is unavailable.
        max_batch_size: most texts in one request.
        tls: a `Tls`, for `https`.
        headers: sent with every request, such as `{"Authorization": "Bearer …"}`.
        max_answer_bytes: longer answers are refused, compressed ones as soon as what they hold is
            longer.

    Raises:
        UserError: an argument is wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 60.0,
        retries: Retries | int = 4,
        max_batch_size: int = 64,
        tls: Tls | None = None,
        headers: dict[str, str] | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._url = parse_rest_url(url)
        super().__init__(self._url, timeout, retries, max_batch_size, max_answer_bytes)
        self._headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            **(headers or {}),
        }
        self._server_name = tls.server_name if tls else None
        self._context = _ssl_context(tls or Tls()) if self._url.startswith("https:") else None
        self._background: BackgroundLoop | None = None
        self._background_session: aiohttp.ClientSession | None = None
        self._session: aiohttp.ClientSession | None = None
        self._session_loop: asyncio.AbstractEventLoop | None = None

    def metadata(self) -> dict[str, Any]:
        """The signatures, as the server's metadata call gives them."""
        return self._send("GET", f"{self._url}/metadata", None, self.timeout)

    def close(self) -> None:
        with self._lock:
            background, session = self._background, self._background_session
            self._background = self._background_session = None
        if background is not None and background.is_of_this_process:
            if session is not None:
                background.run(session.close())
            background.close()

    async def aclose(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _status(self, timeout: float) -> dict[int, str]:
        reply = self._send("GET", self._url, None, timeout)
        states = {}
        listed = reply.get("model_version_status", [])
        for entry in listed if isinstance(listed, list) else [listed]:
            version, state = (
                (entry.get("version"), entry.get("state")) if isinstance(entry, dict) else (0, 0)
            )
            if not re.fullmatch(r"-?\d{1,19}", str(version)) or not isinstance(state, str):
                raise self._wrong(f"'model_version_status' holds {str(entry)[:80]}")
            states[int(str(version))] = state
        return states

    def _predict(self, request: Predict) -> dict[str, Any]:
        url = f"{self._url}:predict"
        return self._outputs(self._send("POST", url, _body(request), self.timeout))

    async def _predict_async(self, request: Predict) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session_loop is not loop:
            self._session, self._session_loop = self._new_session(), loop
        url = f"{self._url}:predict"
        reply = await self._exchange(self._session, "POST", url, _body(request), self.timeout)
        return self._outputs(reply)

    def _send(self, method: str, url: str, body: bytes | None, timeout: float) -> dict[str, Any]:
        with self._lock:
            if self._background is None or not self._background.is_of_this_process:
                self._background, self._background_session = BackgroundLoop(), None
            background = self._background

        async def exchange() -> dict[str, Any]:
            if self._background_session is None:
                self._background_session = self._new_session()
            return await self._exchange(self._background_session, method, url, body, timeout)

        return background.run(exchange())

    def _new_session(self) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._context or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            auto_decompress=False,  # done here, within max_answer_bytes
        )

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        body: bytes | None,
        timeout: float,
    ) -> dict[str, Any]:
        """One request and its answer.

        Raises:
            ServingError: there is no answer in time, or it is an error, too long or no JSON object.
        """
        import aiohttp

        try:
            async with session.request(
                method,
                url,
                data=body,
                allow_redirects=False,
                server_hostname=self._server_name,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                answer = await self._answer_of(response)
                status, location = response.status, response.headers.get("Location")
        except (TimeoutError, asyncio.TimeoutError):
            raise ServingError(
                "DEADLINE_EXCEEDED", f"no answer within {timeout:g} s", self.address
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            if getattr(error, "errno", None) == errno.ECONNREFUSED:
                raise no_server(self.address) from None
            raise ServingError(
                "UNAVAILABLE", str(error) or type(error).__name__, self.address
            ) from None
        if 300 <= status < 400 and location:
            raise ServingError(
                code_of_http_status(status),
                f"HTTP {status}: the server sends us to {location[:200]!r}; redirects are not "
                "followed: give that address if it is the right one",
                self.address,
            )
        return self._read(status, answer)

    async def _answer_of(self, response: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        try:
            inflater = Inflater(response.headers.get("Content-Encoding", ""), self.max_answer_bytes)
            async for data in response.content.iter_any():
                pieces += inflater.feed(data)
            inflater.finish()
        except TooLargeError:
            response.close()
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"the answer is longer than max_answer_bytes={self.max_answer_bytes}; ask for "
                "fewer texts or candidates at a time, or allow more",
                self.address,
            ) from None
        except ValueError as error:
            response.close()
            raise self._wrong(str(error)) from None
        return b"".join(pieces)

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            reply = _parse(body)
        except _NoJson as error:
            if status == 200:
                raise self._wrong(f"{error}: {_cut(body)}") from None
            reply = _cut(body)
        if status == 200 and isinstance(reply, dict):
            return reply
        message = reply.get("error") if isinstance(reply, dict) else None
        if status == 200:
            raise self._wrong(str(message) if message else f"no JSON object: {_cut(body)}")
        raise ServingError(
            code_of_http_status(status), str(message or f"HTTP {status}: {reply}"), self.address
        )

    def _outputs(self, reply: dict[str, Any]) -> dict[str, Any]:
        outputs = reply.get("outputs")
        if not isinstance(outputs, dict):
            raise ServingError(
                "FAILED_PRECONDITION", "the model is not an export of tfmlm", self.address
            )
        return outputs


class _NoJson(ValueError):
    """A body that is no JSON of a reasonable number of values."""


def _parse(body: bytes) -> Any:
    if _too_many(body) and _too_many(_STRING.sub(b"", body)):
        raise _NoJson(f"JSON of more than {_MAX_VALUES} values")
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise _NoJson("not UTF-8") from None
    except RecursionError:
        raise _NoJson("JSON that is nested too deeply") from None
    except ValueError as error:
        raise _NoJson(f"no JSON ({str(error)[:80]})") from None


def _too_many(body: bytes) -> bool:
    """Counts all that may begin a value, those in strings too: at most too many."""
    return body.count(b",") + body.count(b"[") + body.count(b"{") > _MAX_VALUES


def _cut(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace")


def _body(request: Predict) -> bytes:
    inputs = request.inputs
    texts = [
        {"b64": base64.b64encode(text).decode("ascii")} if isinstance(text, bytes) else text
        for text in inputs["text"]
    ]
    body: dict[str, Any] = {"inputs": inputs | {"text": texts}}
    if request.signature:
        body["signature_name"] = request.signature
    return json.dumps(body, ensure_ascii=False).encode("utf-8")


def _ssl_context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except OSError as error:
        raise UserError(f"TLS files cannot be read: {error}") from None
    return context
