"""An export over any number of texts: on one machine, over files, on Beam and on Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfmlm._lazy import lazily

if TYPE_CHECKING:
    from tfmlm.batch.runner import BatchFiller

__all__ = ["BatchFiller"]

_LAZY = {"BatchFiller": "tfmlm.batch.runner"}

__getattr__ = lazily(__name__, _LAZY)
