"""Prepend: a fixed text before every segment."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, ROW, BuildContext, Normalizer
from tfmlm.tokenizer_graph.ops.edit import splice, spliced_sources
from tfmlm.tokenizer_graph.ops.shift import positions_of, previous
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Prepend


class PrependText(tf.Module):
    """Puts a text before the first character of each segment."""

    def __init__(self, spec: Prepend) -> None:
        super().__init__()
        self._text = constant([ord(c) for c in spec.prepend], tf.int32)
        self._length = len(spec.prepend)

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        return self._prepended(stream)[0]

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`: the text stands where the character behind it does."""
        values, index, firsts = self._prepended(stream)
        return values, spliced_sources(tf.size(stream, tf.int64), index, firsts)

    def _prepended(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """int32 [m], its indices (see `splice`), and before which elements the text was put."""
        before = previous(stream, ROW)
        firsts = positions_of(tf.logical_and(stream < GAP, before >= GAP))
        index = splice(tf.size(stream, tf.int64), firsts, firsts, self._length)
        return tf.gather(tf.concat([stream, self._text], 0), index), index, firsts


@builds(Prepend)
def build(spec: Prepend, context: BuildContext) -> Normalizer:
    """Compiles Prepend."""
    return PrependText(spec)
