"""ByteLevel as a normalizer: UTF-8 bytes as the characters of GPT-2's byte alphabet."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.ops.byte_alphabet import ByteAlphabet
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import ByteLevelNormalizer


class ByteLevel(tf.Module):
    """Every code point becomes one to four byte characters."""

    def __init__(self) -> None:
        super().__init__()
        self._alphabet = ByteAlphabet()

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        return self._alphabet(stream)

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`."""
        values, _, sources = self._alphabet.with_sources(stream, None)
        return values, sources


@builds(ByteLevelNormalizer)
def build(spec: ByteLevelNormalizer, context: BuildContext) -> Normalizer:
    """Compiles ByteLevel."""
    return ByteLevel()
