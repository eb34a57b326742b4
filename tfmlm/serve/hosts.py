"""Which requests a browser may have been made to send: other names of this machine, other sites.

A page of anybody's can make a browser ask servers that only this machine reaches: under a name of
its own that resolves to 127.0.0.1 (DNS rebinding), or with a form, without reading the answer.
"""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Mapping


class HostRule:
    """The names that a server answers to.

    Args:
        host: the address that it listens on.
        allowed_hosts: further names, with commas between them; `*` for any.
    """

    def __init__(self, host: str, allowed_hosts: str = "") -> None:
        names = {_name_of(name) for name in allowed_hosts.split(",") if name.strip()}
        self._names = names | {_name_of(f"[{host}]" if ":" in host else host)}
        # whoever listens on other addresses means to be reached under names we do not know
        self._any = "*" in names or (not names and not is_loopback(host))

    def allows(self, host: str) -> bool:
        """Whether a `Host` header, with or without a port, names this server."""
        name = _name_of(host)
        return self._any or is_loopback(name) or name in self._names


def is_loopback(name: str) -> bool:
    """Whether a name or an address always means this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_cross_site(headers: Mapping[str, str], host: str) -> bool:
    """Whether a browser says that a page from elsewhere made it send a request to `host`."""
    if headers.get("Sec-Fetch-Site", "").lower() in ("cross-site", "same-site"):
        return True
    origin = headers.get("Origin")
    if origin is None:
        return False
    try:
        return urllib.parse.urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True


def _name_of(host: str) -> str:
    """`host`, `host:port`, `[address]` or `[address]:port` without the port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")
