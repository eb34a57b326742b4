"""Errors with a status code, and the code's numbers in gRPC and HTTP."""

from __future__ import annotations

from typing import Any

from tfmlm.client.errors import HTTP_STATUS

#: Numbers of the codes (`google.rpc.Code`), the same in TensorFlow, gRPC and absl.
NUMBERS = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
_NAMES = {number: name for name, number in NUMBERS.items()}


#: Longest message of an error, in bytes of UTF-8. gRPC sends it as a header, three characters for
#: each byte beyond ASCII, and headers have 8 KiB.
MAX_MESSAGE_BYTES = 2000


class StatusError(Exception):
    """A request that cannot be answered.

    Attributes:
        code: name of the status code.
        message: what TensorFlow Serving would say, cut to `MAX_MESSAGE_BYTES`.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = cut(message, MAX_MESSAGE_BYTES)
        super().__init__(f"{code}: {self.message}")

    @property
    def number(self) -> int:
        return NUMBERS[self.code]

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]

    def __str__(self) -> str:
        # absl::Status::ToString, which TensorFlow Serving puts into longer messages
        return f"{self.code}: {self.message}"


def invalid_argument(message: str) -> StatusError:
    return StatusError("INVALID_ARGUMENT", message)


def from_tensorflow(error: Any) -> StatusError:
    """The status of a `tf.errors.OpError`."""
    return StatusError(_NAMES.get(error.error_code, "UNKNOWN"), error.message)


def too_many_rows(size: int | str, most: int) -> StatusError:
    """The refusal of a request with too many rows; clients read the limit from it."""
    return invalid_argument(f"Task size {size} is larger than maximum batch size {most}")


def deadline_exceeded(doing: str) -> StatusError:
    return StatusError("DEADLINE_EXCEEDED", f"Timed out {doing}")


def cut(text: str, most: int) -> str:
    """A text of at most so many bytes of UTF-8, and a mark if something is missing."""
    if len(text) * 4 <= most:
        return text
    raw = text.encode("utf-8", "replace")
    if len(raw) <= most:
        return text
    return raw[: most - 3].decode("utf-8", "ignore") + "…"
