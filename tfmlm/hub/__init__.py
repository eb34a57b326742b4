"""The Hub: checkpoint folders in PyTorch's layout, model cards, pushes that lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfmlm._lazy import lazily

_LAZY = {
    "PushToHub": "tfmlm.hub.callback",
    "load_optimizer_state": "tfmlm.checkpoint.optimizer_state",
    "push_folder": "tfmlm.hub.push",
    "save_model": "tfmlm.checkpoint.save",
}

__all__ = ["PushToHub", "load_optimizer_state", "push_folder", "save_model"]

if TYPE_CHECKING:
    from tfmlm.checkpoint.optimizer_state import load_optimizer_state
    from tfmlm.checkpoint.save import save_model
    from tfmlm.hub.callback import PushToHub
    from tfmlm.hub.push import push_folder

__getattr__ = lazily(__name__, _LAZY)
