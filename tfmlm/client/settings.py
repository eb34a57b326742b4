"""What a user can set about connections: retries and TLS."""

from __future__ import annotations

from dataclasses import dataclass

from tfmlm.backoff import pause_before_next
from tfmlm.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how long to wait when the server is unavailable.

    Attributes:
        attempts: further attempts after the first; 0 turns retries off.
        backoff: seconds before the second attempt; doubled for each further one.
        max_backoff: longest pause in seconds.
    """

    attempts: int = 4
    backoff: float = 0.1
    max_backoff: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 0 or self.backoff < 0 or self.max_backoff < 0:
            raise UserError(f"retries must not be negative. Received: {self}")

    def pause(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        return pause_before_next(attempt, self.backoff, self.max_backoff)


@dataclass(frozen=True, kw_only=True)
class Tls:
    """TLS settings; the default trusts the system's certificate authorities.

    Attributes:
        ca_file: PEM file of the authorities to trust instead.
        cert_file, key_file: PEM files of the client's own certificate, where the server wants one.
        server_name: name that the server's certificate must have, if not the host's.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise UserError("a client certificate needs both cert_file and key_file")
