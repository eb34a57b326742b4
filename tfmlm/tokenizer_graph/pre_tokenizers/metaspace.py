"""Metaspace: spaces become ▁, words start at it.

https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/pre_tokenizers/metaspace.rs
"""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, ROW, BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.ops.regex import boundaries
from tfmlm.tokenizer_graph.ops.shift import previous
from tfmlm.tokenizer_graph.pre_tokenizers.prefix import put_before_with_sources
from tfmlm.tokenizer_graph.pre_tokenizers.split_at import flags_of_single, split_at
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import MetaspacePreTokenizer

SPACE = 0x20


class Metaspace(tf.Module):
    """Replaces spaces, puts the replacement before words, splits there."""

    def __init__(self, spec: MetaspacePreTokenizer) -> None:
        super().__init__()
        self._replacement = ord(spec.replacement)
        self._scheme = spec.prepend_scheme
        self._split = spec.split

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        return self.with_sources(stream, starts)[:2]

    def with_sources(
        self, stream: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        sources = tf.range(tf.size(stream, tf.int64))
        stream = tf.where(tf.equal(stream, SPACE), self._replacement, stream)
        if self._scheme != "never":
            if self._scheme == "always":
                first = boundaries(stream, starts)
            else:
                before = previous(stream, ROW)
                first = tf.equal(before, ROW)
            lacking = tf.logical_and(first, tf.not_equal(stream, self._replacement))
            lacking = tf.logical_and(lacking, stream < GAP)
            stream, starts, sources = put_before_with_sources(
                stream, starts, lacking, self._replacement
            )
        if not self._split:
            return stream, starts, sources
        inside = tf.equal(stream, self._replacement)
        firsts = flags_of_single(inside)
        return *split_at(stream, starts, inside, firsts, "MergedWithNext"), sources


@builds(MetaspacePreTokenizer)
def build(spec: MetaspacePreTokenizer, context: BuildContext) -> PreTokenizer:
    """Compiles Metaspace."""
    return Metaspace(spec)
