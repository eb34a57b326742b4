"""Checkpoints to SavedModels that take raw strings, and their loading."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfmlm.export.checking.validate import validate_export
    from tfmlm.export.loader import load
    from tfmlm.export.writing.saved_model import export_saved_model

__all__ = ["export_saved_model", "load", "validate_export"]

_MODULES = {
    "export_saved_model": "tfmlm.export.writing.saved_model",
    "load": "tfmlm.export.loader",
    "validate_export": "tfmlm.export.checking.validate",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
