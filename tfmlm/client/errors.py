"""The error of a server's refusal, with the status code that gRPC and REST share."""

from __future__ import annotations

import re

from tfmlm.errors import TfmlmError

#: HTTP status of each code, as TensorFlow Serving's REST API answers
#: (`tensorflow_serving/model_servers/http_server.cc`, ToHTTPStatusCode).
HTTP_STATUS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
_CODES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 405: "UNIMPLEMENTED", 413: "INVALID_ARGUMENT"}
for _code, _status in HTTP_STATUS.items():
    _CODES.setdefault(_status, _code)

#: What a server says is shown up to this many characters; it may be a stranger's megabyte.
_SHOWN = 2000

#: Codes for which the request itself is to blame.
_USER = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"}


class ServingError(TfmlmError):
    """The server refused a request, failed, or could not be reached.

    Attributes:
        code: name of the status code, such as `UNAVAILABLE` or `NOT_FOUND`.
        details: the server's own message.
        address: the server that was asked.
    """

    def __init__(self, code: str, details: str, address: str) -> None:
        self.code = code
        self.details = details if len(details) <= _SHOWN else details[:_SHOWN] + "…"
        self.address = address
        self.exit_code = 2 if code in _USER else 1
        super().__init__(f"{address}: {code}: {' '.join(self.details.split())}")

    @property
    def retryable(self) -> bool:
        """True if the same request may succeed a little later."""
        return self.code == "UNAVAILABLE"

    @property
    def batch_limit(self) -> int | None:
        """The server's limit of rows, if the request was refused for having more."""
        found = re.search(r"is larger than maximum (?:input )?batch size (\d{1,9})\b", self.details)
        return int(found[1]) if found else None


def code_of_http_status(status: int) -> str:
    """The status code that an HTTP status stands for; several codes share 400 and 500."""
    return _CODES.get(status, "UNKNOWN")


def no_server(address: str) -> ServingError:
    """The error where nothing listens."""
    place = re.sub(r"^[a-z]+://|(?<!/)/(?!/).*", "", address) if "unix:" not in address else address
    return ServingError(
        "UNAVAILABLE", f"no server at {place}; start one with `tfmlm serve`", address
    )
