"""Sequence of pre-tokenizers."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph.component import BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import PreTokenizerSequence


class Chain(tf.Module):
    """Pre-tokenizers one after the other, each within the words of the one before."""

    def __init__(self, parts: list[PreTokenizer]) -> None:
        super().__init__()
        self._parts = parts

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        for part in self._parts:
            stream, starts = part(stream, starts)
        return stream, starts

    def with_sources(
        self, stream: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        sources = tf.range(tf.size(stream, tf.int64))
        for part in self._parts:
            stream, starts, own = part.with_sources(stream, starts)
            sources = tf.gather(sources, own)
        return stream, starts, sources


@builds(PreTokenizerSequence)
def build(spec: PreTokenizerSequence, context: BuildContext) -> PreTokenizer:
    """Compiles a sequence."""
    return Chain([registry.builder(child)(child, context) for child in spec.pretokenizers])
