"""The symbols that BPE starts from: characters, bytes of unknown characters, or unknown tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.ops.lookup import IntegerTable
from tfmlm.tokenizer_graph.ops.shift import kept
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.ops.text import encode_words

UNKNOWN = -1
Key = TypeVar("Key", int, tf.Tensor)
# Bytes that occur in valid UTF-8.
UTF8_BYTES = [*range(0xC0), *range(0xC2, 0xF5)]


def byte_token(byte: int) -> str:
    """The token that stands for a byte under `byte_fallback`."""
    return f"<0x{byte:02X}>"


def byte_tokens(vocab: Mapping[str, int]) -> np.ndarray | None:
    """Ids of the 256 byte tokens, int64 [256], or None if the vocabulary holds none of them.

    Raises:
        UnsupportedTokenizerError: it holds some, but not all that occur in UTF-8.
    """
    ids = np.array([vocab.get(byte_token(byte), UNKNOWN) for byte in range(256)], np.int64)
    present = ids[UTF8_BYTES] != UNKNOWN
    if not present.any():
        return None
    if not present.all():
        missing = UTF8_BYTES[int(np.argmin(present))]
        raise UnsupportedTokenizerError(
            "model.byte_fallback",
            f"a vocabulary that holds some byte tokens, but not {byte_token(missing)}",
            "all byte tokens of UTF-8, or none",
        )
    return ids


class InitialSymbols(tf.Module):
    """Characters of words -> symbols.

    Args:
        vocab: token -> id.
        separator: the symbol for `GAP`.
        unk_token: stands for a character that is in no other way in the vocabulary; without it
            such characters are dropped, as in the Rust library.
        fuse_unk: neighbouring unknown characters become one token.
        byte_fallback: an unknown character becomes its bytes' tokens.
        prefix: continuing prefix, for all characters but a word's first.
        suffix: end-of-word suffix, for a word's last character.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        separator: int,
        unk_token: str | None = None,
        fuse_unk: bool = False,
        byte_fallback: bool = False,
        prefix: str = "",
        suffix: str = "",
    ) -> None:
        super().__init__()
        self._unknown = None if unk_token is None else vocab[unk_token]
        self._fuse = fuse_unk
        self._affixed = bool(prefix or suffix)
        self._prefix, self._suffix = prefix, suffix
        ids = byte_tokens(vocab) if byte_fallback else None
        self._bytes = None if ids is None else constant(ids)
        flags = [(0, 0), (0, 1), (1, 0), (1, 1)] if self._affixed else [(1, 1)]
        keys: dict[int, int] = {self._key(GAP, *both): separator for both in flags}
        for token, number in vocab.items():
            for first, last in flags:
                character = _without(token, "" if first else prefix, suffix if last else "")
                if character is not None and len(character) == 1:
                    keys[self._key(ord(character), first, last)] = number
        self._symbols = IntegerTable(
            np.fromiter(keys, np.int64, len(keys)),
            np.fromiter(keys.values(), np.int64, len(keys)),
            UNKNOWN,
        )

    def _key(self, codepoint: Key, first: Key, last: Key) -> Key:
        """The key of a character (an int, or int64 [n]) by its position in its word (0 or 1)."""
        return codepoint * 4 + first * 2 + last if self._affixed else codepoint

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """Symbols of words.

        Args:
            stream: int32 [n], code points, with `GAP` before each word and at the end.

        Returns:
            int64 [m], separators in place of `GAP`.
        """
        keys = tf.cast(stream, tf.int64)
        first = last = None
        if self._affixed:
            is_gap = tf.cast(tf.equal(stream, GAP), tf.int64)
            first, last = tf.roll(is_gap, 1, 0), tf.roll(is_gap, -1, 0)
            keys = self._key(keys, first, last)
        symbols = self._symbols(keys)
        return tf.cond(
            tf.reduce_any(tf.equal(symbols, UNKNOWN)),
            lambda: self._resolve(symbols, stream, first, last),
            lambda: symbols,
        )

    def _resolve(
        self,
        symbols: tf.Tensor,
        stream: tf.Tensor,
        first: tf.Tensor | None,
        last: tf.Tensor | None,
    ) -> tf.Tensor:
        """Symbols without unknown ones, int64 [m].

        Args:
            symbols: int64 [n].
            stream: int32 [n].
            first, last: int64 [n], 1 at the first and the last character of a word; only with
                affixes.
        """
        unknown = tf.equal(symbols, UNKNOWN)
        if self._bytes is not None:
            return self._with_bytes(symbols, unknown, stream, first, last)
        if self._unknown is None:
            return kept(symbols, tf.logical_not(unknown))
        resolved = tf.where(unknown, tf.constant(self._unknown, tf.int64), symbols)
        if not self._fuse:
            return resolved
        return kept(resolved, tf.logical_not(unknown & tf.roll(unknown, 1, 0)))

    def _with_bytes(
        self,
        symbols: tf.Tensor,
        unknown: tf.Tensor,
        stream: tf.Tensor,
        first: tf.Tensor | None,
        last: tf.Tensor | None,
    ) -> tf.Tensor:
        """As `_resolve`, where unknown ones (bool [n]) become their bytes' symbols."""
        positions = tf.where(unknown)[:, 0]
        characters = tf.gather(stream, positions)
        strings = encode_words(characters, tf.range(tf.size(positions, tf.int64) + 1))
        if self._affixed:
            continued = tf.equal(tf.gather(first, positions), 0)
            final = tf.equal(tf.gather(last, positions), 1)
            strings = tf.strings.join(
                [tf.where(continued, self._prefix, ""), strings, tf.where(final, self._suffix, "")]
            )
        data = tf.raw_ops.UnicodeDecode(
            input=strings, input_encoding="ISO-8859-1", Tsplits=tf.int64
        )
        # symbol i is the range [i, i + 1) of the pool, or the range of its bytes behind them
        count = tf.size(symbols, tf.int64)
        index = tf.range(count)
        spans = data.row_splits + count
        starts = tf.tensor_scatter_nd_update(index, positions[:, tf.newaxis], spans[:-1])
        limits = tf.tensor_scatter_nd_update(index + 1, positions[:, tf.newaxis], spans[1:])
        order = tf.raw_ops.RaggedRange(starts=starts, limits=limits, deltas=tf.ones_like(starts))
        pool = tf.concat([symbols, tf.gather(self._bytes, data.char_values)], 0)
        return tf.gather(pool, order.rt_dense_values)


def _without(token: str, prefix: str, suffix: str) -> str | None:
    if not (token.startswith(prefix) and token.endswith(suffix)):
        return None
    return token[len(prefix) : len(token) - len(suffix)]
