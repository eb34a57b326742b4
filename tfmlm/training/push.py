"""Connects a run to the Hub callback, if a push is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfmlm.config import TrainConfig
from tfmlm.errors import UserError


def hub_callback(config: TrainConfig) -> Any:
    """The Hub callback of a run, or None.

    Raises:
        UserError: no token, no permission, no network: what would make the push fail.
    """
    if not config.push_to_hub:
        return None
    try:
        from tfmlm.hub.push import PushToHub
    except ImportError as error:
        raise UserError(f"push_to_hub needs {error.name}; install it") from error
    return PushToHub(
        output_dir=Path(config.output_dir).expanduser(),
        hub_model_id=config.hub_model_id,
        hub_private_repo=config.hub_private_repo,
        timeout=config.hub_timeout,
    )
