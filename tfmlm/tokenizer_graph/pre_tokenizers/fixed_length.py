"""FixedLength: a word for every so many characters."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.ops.regex import boundaries, last_true
from tfmlm.tokenizer_graph.pre_tokenizers.in_place import InPlace
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import FixedLength


class EveryNth(InPlace):
    """Starts a word at every `length`-th character of a word."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        position = tf.range(tf.size(stream, tf.int64))
        within = position - last_true(boundaries(stream, starts))
        return stream, tf.logical_or(starts, tf.equal(within % self._length, 0))


@builds(FixedLength)
def build(spec: FixedLength, context: BuildContext) -> PreTokenizer:
    """Compiles FixedLength."""
    return EveryNth(spec.length)
