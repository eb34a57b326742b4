"""An export in sessions, as the referee asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

#: Signatures that are run as a server runs them. Between them they hold all that the others are
#: made of: tokenizer, windows, encoder, head, strings, decoder.
OPTIMIZED = ("serving_default", "fill_mask_ids")


class Sessions:
    """An export, each signature in a session that suits it.

    TensorFlow optimizes a graph before its first run, which takes far longer than all that is
    asked here. It is left out where a signature shares its parts with one that is run optimized.
    One session is open at a time, so that the weights are held once.
    """

    def __init__(self, version_folder: Path) -> None:
        self._folder = version_folder
        self._loaded: Any = None
        self._optimized = False
        self.record: dict[str, Any] = self.loaded(optimized=False).record

    def loaded(self, optimized: bool) -> Any:
        """The export in a session of its own; one of the other kind is closed."""
        from tfmlm.export.loader import LoadedFillMask

        if self._loaded is None or self._optimized != optimized:
            if self._loaded is not None:
                self._loaded.close()
            self._loaded = LoadedFillMask(self._folder, optimized=optimized)
            self._optimized = optimized
        return self._loaded

    def predict(self, signature: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Arrays of a signature by name; strings as bytes."""
        return self.loaded(signature in OPTIMIZED).predict(signature, inputs)
