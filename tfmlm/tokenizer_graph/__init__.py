"""Fast tokenizers (`tokenizer.json`) compiled into TensorFlow graphs with exactly equal ids.

`GraphTokenizer` is imported when first used, so that `spec` can be read without TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfmlm.tokenizer_graph.graph_tokenizer import Encoded, GraphTokenizer

__all__ = ["Encoded", "GraphTokenizer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = importlib.import_module("tfmlm.tokenizer_graph.graph_tokenizer")
        value = getattr(module, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'tfmlm.tokenizer_graph' has no attribute {name!r}")
