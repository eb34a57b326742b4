"""Strip: whitespace at the two ends of every segment."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.component import GAP, ROW, BuildContext, Normalizer
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.shift import positions_of
from tfmlm.tokenizer_graph.ops.tables import FlagTable
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import StripNormalizer


class Strip(tf.Module):
    """Drops leading and trailing whitespace, as the Rust library defines it."""

    def __init__(self, spec: StripNormalizer) -> None:
        super().__init__()
        self._left, self._right = spec.strip_left, spec.strip_right
        self._space = FlagTable(probe.vanishing([StripNormalizer(True, True).to_json()]))

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        if not (self._left or self._right):
            return stream
        space = self._space(stream)
        return branch(tf.reduce_any(space), lambda: self._strip(stream, space), lambda: stream)

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`."""
        kept = positions_of(self._kept(stream, self._space(stream)))
        return tf.gather(stream, kept), kept

    def _strip(self, stream: tf.Tensor, space: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m]; `space`: bool [n], what is whitespace."""
        return tf.boolean_mask(stream, self._kept(stream, space))

    def _kept(self, stream: tf.Tensor, space: tf.Tensor) -> tf.Tensor:
        """bool [n]: what is not dropped of a stream (int32 [n]) with whitespace (bool [n])."""
        solid = tf.logical_not(space)
        # what stands before and behind each run of whitespace; the text ends with a ROW
        values = tf.concat([[ROW], tf.boolean_mask(stream, solid)], 0)
        index = tf.cumsum(tf.cast(solid, tf.int32))
        outer = tf.fill(tf.shape(stream), False)
        if self._left:
            outer = tf.gather(values, index) >= GAP
        if self._right:
            last = tf.size(values) - 1
            outer = tf.logical_or(outer, tf.gather(values, tf.minimum(index + 1, last)) >= GAP)
        return tf.logical_or(solid, tf.logical_not(outer))


@builds(StripNormalizer)
def build(spec: StripNormalizer, context: BuildContext) -> Normalizer:
    """Compiles Strip."""
    return Strip(spec)
