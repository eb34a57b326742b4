"""Checkpoints to SavedModels that take raw strings, and their loading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfmlm._lazy import lazily

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

__getattr__ = lazily(__name__, _MODULES)
