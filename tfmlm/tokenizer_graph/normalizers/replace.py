"""Replace: a literal or a regular expression by a fixed text."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree, is_context_free
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.edit import splice, spliced_sources
from tfmlm.tokenizer_graph.ops.matching import LiteralMatcher
from tfmlm.tokenizer_graph.ops.regex import RegexMatcher
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import ReplaceNormalizer, patterns


class Replace(tf.Module):
    """Replaces every match; the content is put in as it is."""

    def __init__(self, spec: ReplaceNormalizer) -> None:
        super().__init__()
        self._content = constant([ord(c) for c in spec.content], tf.int32)
        self._length = len(spec.content)
        self._literal: LiteralMatcher | None = None
        if spec.pattern.regex:
            self._regex = RegexMatcher(patterns.parse(spec.pattern.text))
        else:
            self._literal = LiteralMatcher([tuple(map(ord, spec.pattern.text))])

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        literal = self._literal
        if literal is None:
            starts, ends = self._regex(stream, tf.fill(tf.shape(stream), False))
            return self._put(stream, starts, ends)[0]
        candidates = literal.candidates(stream)
        return branch(
            tf.reduce_any(candidates),
            lambda: self._put(stream, *literal(stream, candidates)[:2])[0],
            lambda: stream,
        )

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`: the content stands where the last character of its match did."""
        if self._literal is None:
            starts, ends = self._regex(stream, tf.fill(tf.shape(stream), False))
        else:
            starts, ends, _ = self._literal(stream, self._literal.candidates(stream))
        values, index = self._put(stream, starts, ends)
        return values, spliced_sources(tf.size(stream, tf.int64), index, ends - 1)

    def _put(
        self, stream: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The new stream, int32 [m], and its indices, see `splice`."""
        index = splice(tf.size(stream, tf.int64), starts, ends, self._length)
        return tf.gather(tf.concat([stream, self._content], 0), index), index


@builds(ReplaceNormalizer)
def build(spec: ReplaceNormalizer, context: BuildContext) -> Normalizer:
    """Compiles Replace."""
    return ContextFree([spec.to_json()]) if is_context_free(spec) else Replace(spec)
