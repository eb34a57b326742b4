"""Client of TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import json
import ssl
from typing import TYPE_CHECKING, Any

from tfmlm.client.address import parse_rest_url
from tfmlm.client.base import Client
from tfmlm.client.errors import ServingError, code_of_http_status
from tfmlm.client.job import Predict
from tfmlm.client.settings import Retries, Tls
from tfmlm.errors import UserError

if TYPE_CHECKING:
    import aiohttp

_CONNECTIONS = 64


class RestClient(Client):
    """Fills masks over HTTP.

    Args:
        url: `http(s)://host:port/v1/models/NAME`, with `/versions/N` or `/labels/LABEL` at the end
            to ask one version instead of the latest.
        timeout: seconds for one request.
        retries: a `Retries`, or how often to try again while the server is unavailable.
        max_batch_size: most texts in one request.
        tls: a `Tls`, for `https`.
        headers: sent with every request, such as `{"Authorization": "Bearer …"}`.

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
    ) -> None:
        self._url = parse_rest_url(url)
        super().__init__(self._url, timeout, retries, max_batch_size)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._server_name = tls.server_name if tls else None
        self._context = _ssl_context(tls or Tls()) if self._url.startswith("https:") else None
        self._pool: Any = None
        self._session: aiohttp.ClientSession | None = None

    def status(self) -> dict[int, str]:
        reply = self._read(*self._send("GET", self._url, None))
        return {
            int(entry["version"]): entry["state"] for entry in reply.get("model_version_status", ())
        }

    def metadata(self) -> dict[str, Any]:
        """The signatures, as the server's metadata call gives them."""
        return self._read(*self._send("GET", f"{self._url}/metadata", None))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    async def aclose(self) -> None:
        self.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _predict(self, request: Predict) -> dict[str, Any]:
        status, body = self._send("POST", f"{self._url}:predict", _body(request))
        return self._outputs(self._read(status, body))

    async def _predict_async(self, request: Predict) -> dict[str, Any]:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._context or True),
                timeout=aiohttp.ClientTimeout(total=self.timeout),
                headers=self._headers,
            )
        try:
            async with self._session.post(
                f"{self._url}:predict", data=_body(request), server_hostname=self._server_name
            ) as response:
                status, body = response.status, await response.read()
        except TimeoutError:
            raise self._deadline() from None
        except (aiohttp.ClientError, OSError) as error:
            raise ServingError("UNAVAILABLE", str(error), self.address) from None
        return self._outputs(self._read(status, body))

    def _send(self, method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
        import urllib3

        if self._pool is None:
            options: dict[str, Any] = {}
            if self._context is not None:
                options = {"ssl_context": self._context, "server_hostname": self._server_name}
            self._pool = urllib3.PoolManager(
                maxsize=_CONNECTIONS, retries=False, headers=self._headers, **options
            )
        try:
            response = self._pool.request(
                method, url, body=body, timeout=urllib3.Timeout(total=self.timeout), redirect=False
            )
        except urllib3.exceptions.ConnectTimeoutError as error:
            raise ServingError("UNAVAILABLE", str(error), self.address) from None
        except urllib3.exceptions.TimeoutError:
            raise self._deadline() from None
        except urllib3.exceptions.HTTPError as error:
            raise ServingError("UNAVAILABLE", str(error), self.address) from None
        return response.status, response.data

    def _deadline(self) -> ServingError:
        return ServingError(
            "DEADLINE_EXCEEDED", f"no answer within {self.timeout:g} s", self.address
        )

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            reply = json.loads(body)
        except ValueError:
            reply = body[:200].decode("utf-8", "replace")
        if status == 200 and isinstance(reply, dict):
            return reply
        message = reply.get("error") if isinstance(reply, dict) else None
        code = code_of_http_status(status) if status != 200 else "INTERNAL"
        raise ServingError(code, str(message or f"HTTP {status}: {reply}"), self.address)

    def _outputs(self, reply: dict[str, Any]) -> dict[str, Any]:
        outputs = reply.get("outputs")
        if not isinstance(outputs, dict):
            raise ServingError(
                "FAILED_PRECONDITION", "the model is not an export of tfmlm", self.address
            )
        return outputs


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
