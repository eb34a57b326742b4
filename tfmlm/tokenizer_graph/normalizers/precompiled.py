"""Precompiled: SentencePiece's character map, as the Rust library applies it.

That is done in an unusual way (https://github.com/huggingface/tokenizers,
`normalizers/precompiled.rs`): text is cut into grapheme clusters. A cluster of fewer than 6 bytes
becomes the replacement of the *shortest* key that it begins with, and the rest of it is dropped. In
all other clusters, and where no key fits, every character is looked up by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.component import GAP, BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers import _charsmap, _graphemes
from tfmlm.tokenizer_graph.ops.lookup import IntegerTable
from tfmlm.tokenizer_graph.ops.tables import LIMIT, MapTable, ValueTable
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Precompiled

_IS_KEY = _graphemes.FIRST_FREE_BIT
_CODEPOINT_BITS = 21
# Surrogates stand for the replacements of keys of several characters: text never holds them.
_PRIVATE = range(0xD800, 0xE000)
_TOO_LONG = 6


class PrecompiledNormalizer(tf.Module):
    """A character map.

    Args:
        spec: the component.
        path: its path, for errors.

    Raises:
        UnsupportedTokenizerError: the map cannot be read, or has keys that the graph cannot hold.
    """

    def __init__(self, spec: Precompiled, path: str = "normalizer") -> None:
        super().__init__()
        keys = _charsmap.read_keys(spec.precompiled_charsmap, path)
        single = {ord(key): replacement for key, replacement in keys.items() if len(key) == 1}
        changes = {c: tuple(map(ord, text)) for c, text in single.items() if text != chr(c)}
        if changes != probe.changes([spec.to_json()]):
            raise UnsupportedTokenizerError(
                f"{path}.precompiled_charsmap", "a map that the library reads in another way"
            )
        longer = _reachable(keys)
        flags = _graphemes.flags()
        for key in [*longer, *map(chr, single)]:
            if _graphemes.is_left_out(flags, ord(key[0])):
                raise UnsupportedTokenizerError(
                    f"{path}.precompiled_charsmap",
                    f"the key {key!r}",
                    "keys that do not begin with Hangul or a prepended sign",
                )
        private = dict(zip(sorted(set(longer.values())), _PRIVATE, strict=False))
        if len(set(longer.values())) > len(_PRIVATE):
            raise UnsupportedTokenizerError(
                f"{path}.precompiled_charsmap",
                f"{len(set(longer.values()))} replacements of several characters",
                f"{len(_PRIVATE)} of them",
            )
        changes |= {code: tuple(map(ord, text)) for text, code in private.items()}
        self._characters = MapTable(changes)
        # for keys of two characters, of three, ...
        self._tables = [
            _table({key: private[text] for key, text in longer.items() if len(key) == length})
            for length in range(2, max(map(len, longer), default=1) + 1)
        ]
        bits = np.zeros(LIMIT, np.int32)
        bits[:GAP] = flags
        bits[GAP:] = _graphemes.CONTROL
        bits[list(single)] |= _IS_KEY
        self._bits = ValueTable(bits)

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m]."""
        bits = self._bits(stream)
        stream = tf.cond(
            _graphemes.may_join(stream, bits),
            lambda: self._clusters(stream, bits)[0],
            lambda: stream,
        )
        return self._characters(stream)

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`.

        What becomes empty at the start of a segment is not counted by the Rust library, so that
        all that follows is said to stand so much too early; elsewhere it is counted to what stands
        before it (`spm_precompiled`, `replace`).
        """
        clusters, kept = self._clusters(stream, self._bits(stream))
        size = tf.size(stream, tf.int64)
        length = tf.concat([kept[1:], size[tf.newaxis]], 0) - kept
        values, unit, number = self._characters.with_sources(clusters)
        units = tf.size(kept, tf.int64)
        outputs = tf.math.unsorted_segment_sum(tf.ones_like(unit), unit, units)
        own = tf.gather(length, unit)
        source = tf.gather(kept, unit) + tf.minimum(number, own - 1)
        # an added character before something that became empty takes that one's place
        emptied = tf.concat([outputs[1:], [1]], 0) < 1
        is_last = tf.equal(number + 1, tf.gather(outputs, unit))
        moved = is_last & (number >= own) & tf.gather(emptied, unit)
        source = tf.where(moved, tf.gather(kept, unit) + own, source)
        # elements that became empty at the start of each segment
        barrier = clusters >= GAP
        segment = tf.cumsum(tf.cast(barrier, tf.int64), exclusive=True)
        is_solid = tf.cast(outputs > 0, tf.int64)
        seen = tf.cumsum(is_solid, exclusive=True)
        first_seen = tf.math.unsorted_segment_min(seen, segment, units + 1)
        leading = (outputs < 1) & tf.equal(seen, tf.gather(first_seen, segment))
        lost = tf.math.unsorted_segment_sum(
            tf.where(leading, length, tf.zeros_like(length)), segment, units + 1
        )
        shift = tf.gather(lost, tf.gather(segment, unit))
        return values, tf.where(tf.gather(barrier, unit), source, source - shift)

    def _clusters(self, stream: tf.Tensor, bits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes each short cluster that begins with a key one element.

        Returns:
            The stream, int32 [m], and where each element started before, int64 [m].
        """
        inside = _graphemes.joins(stream, bits)
        number = tf.cumsum(tf.cast(tf.logical_not(inside), tf.int32)) - 1
        size = tf.ones_like(stream)
        for first in (0x80, 0x800, 0x10000):
            size += tf.cast(stream >= first, tf.int32)
        length = tf.gather(tf.math.segment_sum(tf.ones_like(stream), number), number)
        short = tf.gather(tf.math.segment_sum(size, number), number) < _TOO_LONG
        begins = tf.logical_not(inside) & short & (length > 1)
        result = tf.where(begins & (tf.bitwise.bitwise_and(bits, _IS_KEY) > 0), stream, -1)
        keys = tf.cast(stream, tf.int64)
        for more, table in enumerate(self._tables, 1):
            following = tf.pad(stream[more:], [[0, more]])[: tf.size(stream)]
            keys = tf.bitwise.left_shift(keys, _CODEPOINT_BITS) + tf.cast(following, tf.int64)
            found = tf.cast(table(keys), tf.int32)
            result = tf.where(begins & (result < 0) & (length > more), found, result)
        matched = tf.gather(tf.math.segment_max(result, number), number) >= 0
        kept = tf.where(tf.logical_not(inside & matched))[:, 0]
        return tf.gather(tf.where(result >= 0, result, stream), kept), kept


def _reachable(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys of several characters that do not begin with another key."""
    return {
        key: replacement
        for key, replacement in keys.items()
        if len(key) > 1 and not any(key[:end] in keys for end in range(1, len(key)))
    }


def _table(codes: Mapping[str, int]) -> IntegerTable:
    keys = []
    for text in codes:
        key = 0
        for character in text:
            key = key << _CODEPOINT_BITS | ord(character)
        keys.append(key)
    return IntegerTable(np.array(keys, np.int64), np.array([*codes.values()], np.int64), -1)


@builds(Precompiled)
def build(spec: Precompiled, context: BuildContext) -> Normalizer:
    """Compiles a Precompiled normalizer."""
    return PrecompiledNormalizer(spec)
