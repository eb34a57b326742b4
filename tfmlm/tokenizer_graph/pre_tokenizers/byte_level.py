"""ByteLevel: a space before every word, GPT-2's split, UTF-8 bytes as characters."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.ops.byte_alphabet import ByteAlphabet
from tfmlm.tokenizer_graph.ops.regex import boundaries
from tfmlm.tokenizer_graph.pre_tokenizers.gpt2_split import Gpt2Split
from tfmlm.tokenizer_graph.pre_tokenizers.prefix import put_before, put_before_with_sources
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import ByteLevelPreTokenizer, atoms

SPACE = 0x20


class ByteLevel(tf.Module):
    """Words as characters of GPT-2's byte alphabet.

    Args:
        spec: the settings.
        spell: write words in the alphabet; otherwise the model does it.
    """

    def __init__(self, spec: ByteLevelPreTokenizer, spell: bool) -> None:
        super().__init__()
        self._add_prefix_space = spec.add_prefix_space
        self._split = Gpt2Split() if spec.use_regex else None
        self._alphabet = ByteAlphabet() if spell else None

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        if self._add_prefix_space:
            lacking = self._lacking(stream, starts)
            stream, starts = put_before(stream, starts, lacking, SPACE)
        if self._split is not None:
            stream, starts = self._split(stream, starts)
        if self._alphabet is not None:
            stream, starts = self._alphabet.with_flags(stream, starts)
        return stream, starts

    def with_sources(
        self, stream: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        sources = tf.range(tf.size(stream, tf.int64))
        if self._add_prefix_space:
            lacking = self._lacking(stream, starts)
            stream, starts, sources = put_before_with_sources(stream, starts, lacking, SPACE)
        if self._split is not None:
            stream, starts = self._split(stream, starts)
        if self._alphabet is not None:
            stream, starts, own = self._alphabet.with_sources(stream, starts)
            sources = tf.gather(sources, own)
        return stream, starts, sources

    def _lacking(self, stream: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        """bool [n]: first characters of words that are no space."""
        first = tf.logical_and(boundaries(stream, starts), stream < GAP)
        return tf.logical_and(first, tf.not_equal(stream, SPACE))


@builds(ByteLevelPreTokenizer)
def build(spec: ByteLevelPreTokenizer, context: BuildContext) -> PreTokenizer:
    """Compiles ByteLevel."""
    last = atoms(context.spec.pre_tokenizer)[-1]
    return ByteLevel(spec, spell=not (context.model_takes_text and spec is last))
