"""An export over any number of texts: on one machine, over files, on Beam and on Spark."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfmlm.batch.runner import BatchFiller

__all__ = ["BatchFiller"]

_LAZY = {"BatchFiller": "tfmlm.batch.runner"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
