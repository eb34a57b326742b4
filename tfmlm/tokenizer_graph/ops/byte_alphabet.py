"""GPT-2's byte alphabet: one printable character for each byte.

https://github.com/openai/gpt-2/blob/master/src/encoder.py (`bytes_to_unicode`)
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.shift import repeated
from tfmlm.tokenizer_graph.ops.tables import constant


def byte_characters() -> list[int]:
    """The code point of each byte: itself where that is printable, else 256 and upwards."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    characters = []
    following = 0x100
    for byte in range(256):
        if byte in printable:
            characters.append(byte)
        else:
            characters.append(following)
            following += 1
    return characters


def utf8_lengths(stream: tf.Tensor) -> tf.Tensor:
    """Bytes of each code point (int32 [n]) in UTF-8, int64 [n]; 1 for barriers."""
    lengths = tf.ones_like(stream)
    for first in (0x80, 0x800, 0x10000):
        lengths += tf.cast(stream >= first, tf.int32)
    return tf.cast(tf.where(stream < GAP, lengths, 1), tf.int64)


class ByteAlphabet(tf.Module):
    """Code points to the characters of their UTF-8 bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._characters = constant(np.array(byte_characters(), np.int32))
        # first byte of a sequence, by its length
        self._lead = constant(np.array([0, 0x00, 0xC0, 0xE0, 0xF0], np.int32))

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m]; barriers stay."""
        return self.with_flags(stream, None)[0]

    def with_sources(
        self, stream: tf.Tensor, flags: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As `with_flags`; also from which element each one comes, int64 [m]."""
        values, flags = self.with_flags(stream, flags)
        return values, flags, repeated(utf8_lengths(stream))

    def with_flags(self, stream: tf.Tensor, flags: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """As a call; a flag (bool [n]) goes to the first byte of its code point (bool [m])."""
        if flags is None:
            flags = tf.fill(tf.shape(stream), False)
        is_wide = tf.logical_and(stream >= 0x80, stream < GAP)
        return branch(
            tf.reduce_any(is_wide),
            lambda: self._expand(stream, flags),
            lambda: (self._narrow(stream), flags),
        )

    def _narrow(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] of ASCII and barriers -> int32 [n]."""
        characters = tf.gather(self._characters, tf.minimum(stream, 0xFF))
        return tf.where(stream < 0x80, characters, stream)

    def _expand(self, stream: tf.Tensor, flags: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As `with_flags`: int32 [n], bool [n] -> int32 [m], bool [m]."""
        lengths = tf.cast(utf8_lengths(stream), tf.int32)
        four = tf.range(tf.size(stream)) * 4
        position = tf.raw_ops.RaggedRange(
            starts=four, limits=four + lengths, deltas=tf.ones_like(four)
        ).rt_dense_values
        source, which = position // 4, position % 4
        value = tf.gather(stream, source)
        length = tf.gather(lengths, source)
        first = tf.equal(which, 0)
        bits = tf.bitwise.right_shift(value, 6 * (length - 1 - which))
        byte = tf.where(
            first, bits + tf.gather(self._lead, length), 0x80 + tf.bitwise.bitwise_and(bits, 0x3F)
        )
        character = tf.gather(self._characters, tf.bitwise.bitwise_and(byte, 0xFF))
        return (
            tf.where(value < GAP, character, value),
            tf.logical_and(first, tf.gather(flags, source)),
        )
