"""Connects a run to the Hub callback, if a push is asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tfmlm.config import TrainConfig


def hub_callback(config: TrainConfig) -> Any:
    """The Hub callback of a run, or None.

    Raises:
        UserError: no token, no permission, no network: what would make the push fail.
    """
    if not config.push_to_hub:
        return None
    from tfmlm.hub.callback import PushToHub

    base = config.model_name_or_path
    return PushToHub(
        output_dir=Path(config.output_dir).expanduser(),
        hub_model_id=config.hub_model_id,
        hub_private_repo=config.hub_private_repo,
        hub_revision=config.hub_revision,
        hub_timeout=config.hub_timeout,
        finish_on_train_end=False,
        settings=config.to_dict(),
        finetuned_from=base if base and not Path(base).exists() else None,
    )


def finish_push(callback: Any, results: dict[str, Any]) -> None:
    """Pushes what the run left in its folder, once it is all written; waits until it is there.

    Raises:
        NotDeliveredError: something is not on the Hub; the message says how to send it.
    """
    if callback is None or results.get("stopped"):
        return
    if callback.is_chief:
        print(f"Pushing to {callback.url}", file=sys.stderr, flush=True)
    callback.finish(save=False)
    callback.raise_if_undelivered()
    if callback.is_chief:
        print(f"Pushed: {callback.url}", file=sys.stderr)
