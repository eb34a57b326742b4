"""Addresses of served models."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from tfmlm.errors import UserError

if TYPE_CHECKING:
    from tfmlm.client.grpc import GrpcClient
    from tfmlm.client.rest import RestClient

_REST_PATH = re.compile(r"(.*)/v1/models/([^/:]+)(/versions/\d+|/labels/[^/:]+)?(:predict)?/?")


def parse_rest_url(url: str) -> str:
    """The URL of a model without `:predict` or a slash at the end.

    Raises:
        UserError: it is not `http(s)://host:port/v1/models/NAME[/versions/N|/labels/LABEL]`.
    """
    parts = urllib.parse.urlsplit(url)
    found = _REST_PATH.fullmatch(parts.path)
    if parts.scheme not in ("http", "https") or not parts.netloc or not found or parts.query:
        raise UserError(
            "a REST address is http://host:port/v1/models/NAME, with /versions/N or /labels/LABEL "
            f"at the end if wanted. Received: {url!r}"
        )
    path = f"{found[1]}/v1/models/{found[2]}{found[3] or ''}"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def connect(address: str, **settings: Any) -> RestClient | GrpcClient:
    """The client for an address.

    Args:
        address: `http(s)://host:port/v1/models/NAME` or `grpc(s)://host:port/NAME`, each with
            `/versions/N` or `/labels/LABEL` at the end if wanted.
        settings: of the client, such as `timeout`.

    Raises:
        UserError: the address is neither.
    """
    scheme = urllib.parse.urlsplit(address).scheme
    if scheme in ("http", "https"):
        from tfmlm.client.rest import RestClient

        return RestClient(address, **settings)
    found = re.fullmatch(
        r"grpcs?://([^/]+)/([^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?",
        address,
    )
    if not found:
        raise UserError(
            "an address is http://host:port/v1/models/NAME or grpc://host:port/NAME. "
            f"Received: {address!r}"
        )
    from tfmlm.client.grpc import GrpcClient

    if scheme == "grpcs":
        settings.setdefault("tls", True)
    return GrpcClient(
        found[1],
        urllib.parse.unquote(found[2]),
        version=int(found["version"]) if found["version"] else None,
        label=urllib.parse.unquote(found["label"]) if found["label"] else None,
        **settings,
    )
