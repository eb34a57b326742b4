"""A server's refusal: its code, what is shown of it, what it says about limits."""

from __future__ import annotations

import grpc
import pytest

from tfmlm.client.errors import HTTP_STATUS, ServingError, code_of_http_status, no_server
from tfmlm.serve.status import too_many_rows


def test_every_code_of_grpc_has_an_http_status_and_back() -> None:
    by_status = {
        status: {code for code, its in HTTP_STATUS.items() if its == status}
        for status in sorted(set(HTTP_STATUS.values()))
    }
    assert by_status == {  # as ToHTTPStatusCode of TensorFlow Serving has it
        400: {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"},
        401: {"UNAUTHENTICATED"},
        403: {"PERMISSION_DENIED"},
        404: {"NOT_FOUND"},
        409: {"ALREADY_EXISTS", "ABORTED"},
        429: {"RESOURCE_EXHAUSTED"},
        499: {"CANCELLED"},
        500: {"UNKNOWN", "INTERNAL", "DATA_LOSS"},
        501: {"UNIMPLEMENTED"},
        503: {"UNAVAILABLE"},
        504: {"DEADLINE_EXCEEDED"},
    }
    assert set(HTTP_STATUS) == {code.name for code in grpc.StatusCode} - {"OK"}
    for code, status in HTTP_STATUS.items():
        assert HTTP_STATUS[code_of_http_status(status)] == status
        assert code_of_http_status(status) == code or list(HTTP_STATUS.values()).count(status) > 1
    found = [code_of_http_status(status) for status in (400, 404, 503, 418)]
    assert found == ["INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "UNKNOWN"]


def test_the_request_or_the_server_is_to_blame() -> None:
    errors = [ServingError(code, "so", "grpc://h:1/m") for code in HTTP_STATUS]
    assert {error.code for error in errors if error.retryable} == {"UNAVAILABLE"}
    assert {error.code for error in errors if error.exit_code == 2} == {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
    }


def test_long_answers_of_strangers_are_cut_to_one_line() -> None:
    error = ServingError("INTERNAL", "a\n\t b" * 1000, "h")
    assert str(error).startswith("h: INTERNAL: a ba ba b")
    assert "\n" not in str(error)
    assert len(error.details) == 2001 and error.details.endswith("…")
    assert ServingError("INTERNAL", "a" * 2000, "h").details == "a" * 2000


def test_the_servers_limit_is_read_from_its_refusal() -> None:
    refused = too_many_rows(120, 50)
    assert ServingError(refused.code, refused.message, "h").batch_limit == 50
    said = "Task size 9 is larger than maximum input batch size 8"
    assert ServingError("INVALID_ARGUMENT", said, "h").batch_limit == 8
    assert ServingError("INVALID_ARGUMENT", "9 is larger", "h").batch_limit is None


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("grpc://h:1/m", "h:1"),
        ("http://h:1/v1/models/m", "h:1"),
        ("https://[::1]:8501/v1/models/m", "[::1]:8501"),
        ("grpc://unix:/run/mlm/m", "grpc://unix:/run/mlm/m"),
    ],
)
def test_where_nobody_listens_the_place_is_named(address: str, place: str) -> None:
    error = no_server(address)
    assert error.retryable
    assert error.details == f"no server at {place}; start one with `tfmlm serve`"
