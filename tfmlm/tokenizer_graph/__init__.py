"""Fast tokenizers (`tokenizer.json`) compiled into TensorFlow graphs with exactly equal ids.

`GraphTokenizer` is imported when first used, so that `spec` can be read without TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfmlm._lazy import lazily

if TYPE_CHECKING:
    from tfmlm.tokenizer_graph.graph_tokenizer import Encoded, GraphTokenizer

__all__ = ["Encoded", "GraphTokenizer"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "tfmlm.tokenizer_graph.graph_tokenizer"))
