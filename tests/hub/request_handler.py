"""Answers of the loopback Hub, request by request."""

from __future__ import annotations

from tests.hub.api_requests import ApiRequests
from tests.hub.lfs_requests import LfsRequests


class HubRequestHandler(ApiRequests, LfsRequests):
    """All steps."""
