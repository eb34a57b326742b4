from __future__ import annotations

import pytest

from tfmlm.client import GrpcClient, RestClient, Tls, connect
from tfmlm.errors import UserError


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://h:1/v1/models/m", "http://h:1/v1/models/m"),
        ("http://h:1/v1/models/m/", "http://h:1/v1/models/m"),
        ("http://h:1/v1/models/m:predict", "http://h:1/v1/models/m"),
        ("https://h/gateway/v1/models/m/versions/3", "https://h/gateway/v1/models/m/versions/3"),
        ("http://h:1/v1/models/m/labels/canary", "http://h:1/v1/models/m/labels/canary"),
    ],
)
def test_rest_addresses(given: str, used: str) -> None:
    assert RestClient(given).address == used


@pytest.mark.parametrize(
    "wrong", ["h:1", "http://h:1", "http://h:1/v1/models", "ftp://h/v1/models/m"]
)
def test_wrong_rest_addresses(wrong: str) -> None:
    with pytest.raises(UserError, match="http://host:port/v1/models/NAME"):
        RestClient(wrong)


def test_connect_chooses_the_client() -> None:
    assert isinstance(connect("http://h:1/v1/models/m"), RestClient)
    client = connect("grpc://h:1/m/versions/3", timeout=2)
    assert isinstance(client, GrpcClient)
    assert (client.address, client.timeout) == ("grpc://h:1/m", 2)
    with pytest.raises(UserError, match="an address is"):
        connect("h:1/m")


def test_wrong_settings() -> None:
    for options in ({"timeout": 0}, {"max_batch_size": 0}, {"retries": -1}):
        with pytest.raises(UserError):
            GrpcClient("h:1", "m", **options)
    with pytest.raises(UserError, match="a version or a label"):
        GrpcClient("h:1", "m", version=1, label="a")
    with pytest.raises(UserError, match="both cert_file and key_file"):
        Tls(cert_file="x")
    with pytest.raises(UserError, match="cannot read /does/not/exist"):
        GrpcClient("h:1", "m", tls=Tls(ca_file="/does/not/exist"))
    with pytest.raises(UserError, match="host:port"):
        GrpcClient("http://h:1", "m")
