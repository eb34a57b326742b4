"""What failures of requests and huggingface_hub mean for the user."""

from __future__ import annotations

import pytest
import requests

from tfmlm.hub.folder import identify
from tfmlm.hub.http_transport import ProgressMeter, _operation, classify
from tfmlm.hub.remote import HubFailure

HUB = "https://huggingface.co"


@pytest.mark.parametrize("size", [100, 11 << 20])
def test_a_snapshot_that_is_not_what_it_was_is_not_sent(tmp_path, size):
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(size))
    file = identify("model.safetensors", path)
    assert _operation(file).upload_info.size == size
    path.write_bytes(bytes(size - 1) + b"x")
    with pytest.raises(HubFailure, match="was changed while it was pushed"):
        _operation(file)
    path.unlink()
    with pytest.raises(HubFailure, match="is gone"):
        _operation(file)


def answer(status: int, **headers: str) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    return requests.HTTPError(response=response)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer(401), "token"),
        (answer(403), "permission"),
        (answer(400), "rejected"),
        (answer(413), "rejected"),
        (answer(500), "server"),
        (answer(429), "server"),
        (requests.ReadTimeout(), "stalled"),
        (requests.ConnectionError("[Errno 111] Connection refused"), "unreachable"),
        (requests.exceptions.ChunkedEncodingError(), "unreachable"),
        (ValueError("LFS batch API returned errors"), "rejected"),
        (HubFailure("card", "refused"), "card"),
    ],
)
def test_what_requests_say(error, kind):
    assert classify(error, HUB).kind == kind
    try:
        raise RuntimeError("Error while uploading") from error
    except RuntimeError as wrapped:
        assert classify(wrapped, HUB).kind == kind


def test_the_wait_that_the_hub_asks_for():
    assert classify(answer(429, **{"Retry-After": "17"}), HUB).wait == 17.0
    assert classify(answer(503, **{"Retry-After": "Wed, 21 Oct"}), HUB).wait == 0.0


def test_only_what_was_never_sent_is_progress():
    told: list[int] = []
    meter = ProgressMeter(told.append)
    meter.sent(("PUT", "a"), 100)
    meter.sent(("PUT", "a"), 50)  # the same body once more
    meter.sent(("PUT", "a"), 100)
    meter.sent(("PUT", "b"), 10)
    meter.answered(("GET", "c"))
    meter.answered(("GET", "c"))
    assert told == [100, 110, 110]
