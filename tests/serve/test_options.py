"""Settings of the server that cannot work are refused with the names of their flags."""

from __future__ import annotations

from typing import Any

import pytest

from tfmlm.errors import UserError
from tfmlm.serve.options import ServerOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give --model_base_path or --model_config_file"),
        ({"port": 0, "rest_api_port": 0}, "both interfaces are off"),
        ({"port": 8501}, "--port and --rest_api_port are both 8501"),
        ({"rest_api_port": 70000}, "must be 0 to 65535. Received: 70000"),
        ({"max_batch_rows": 0}, "--max_batch_rows must be at least 1"),
        ({"model_base_path": "/", "batching_parameters_file": "x"}, "without --enable_batching"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ServerOptions(**options)
