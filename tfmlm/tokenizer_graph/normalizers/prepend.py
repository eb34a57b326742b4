"""Prepend: a fixed text before every segment."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, ROW, BuildContext, Normalizer
from tfmlm.tokenizer_graph.ops.edit import splice
from tfmlm.tokenizer_graph.ops.shift import places_of, previous
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
        before = previous(stream, ROW)
        firsts = places_of(tf.logical_and(stream < GAP, before >= GAP))
        index = splice(tf.size(stream, tf.int64), firsts, firsts, self._length)
        return tf.gather(tf.concat([stream, self._text], 0), index)


@builds(Prepend)
def build(spec: Prepend, context: BuildContext) -> Normalizer:
    """Compiles Prepend."""
    return PrependText(spec)
