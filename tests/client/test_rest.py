"""The REST client where something else than a model server answers."""

from __future__ import annotations

import pytest

from tests.serve.fixtures import ONE_MASK, Address
from tfmlm.client import RestClient, ServingError


def test_something_else_answers(toy_server: Address) -> None:
    with pytest.raises(ServingError, match="NOT_FOUND: HTTP 404"):
        RestClient(f"{toy_server.rest}/elsewhere/v1/models/mlm").fill(ONE_MASK)
