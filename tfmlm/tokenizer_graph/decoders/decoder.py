"""From ids to text, as `PreTrainedTokenizerFast.decode` gives it.

A decoder is cut into three: what treats each token by itself (a table, probed from Rust), what
joins tokens (bytes, runs of bytes, `Fuse`), and what treats the joined text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfmlm.tokenizer_graph import probe, registry
from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.component import BuildContext
from tfmlm.tokenizer_graph.decoders.byte_fallback import ByteRuns
from tfmlm.tokenizer_graph.decoders.parts import Part
from tfmlm.tokenizer_graph.decoders.pieces import PieceTable, strings_by_position
from tfmlm.tokenizer_graph.decoders.strings import (
    byte_of,
    clean_up_spaces,
    join_rows,
    replace_invalid,
)
from tfmlm.tokenizer_graph.ops.byte_alphabet import byte_characters
from tfmlm.tokenizer_graph.ops.shift import lower_bound, positions_of
from tfmlm.tokenizer_graph.ops.tables import constant


class GraphDecoder(tf.Module):
    """The `Decoder` of a tokenizer."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        rust = context.tokenizer
        size = max(rust.get_vocab().values()) + 1
        tokens = [rust.id_to_token(number) for number in range(size)]
        special = {token.content for token in context.spec.added_tokens if token.special}
        self._size = size
        self._dropped = constant([token is None for token in tokens] + [True])
        self._special = constant([token is None or token in special for token in tokens] + [True])
        decoder = context.spec.decoder
        parts = [] if decoder is None else registry.builder(decoder)(decoder, context)
        by_token, self._joining, self._whole = cut(parts)
        # tokenizers joins by spaces where there is no decoder
        decode = " ".join if decoder is None else _token_decoder(by_token)
        positions = strings_by_position([token or "" for token in tokens], decode)
        if self._joins(specs.ByteLevelDecoder):
            encoded = _bytes_of_characters(positions)
        else:
            encoded = [tuple(text.encode() for text in position) for position in positions]
        self._runs = None
        if self._joins(specs.ByteFallback):
            values = [byte_of(position[0]) for position in positions]
            encoded = [
                position if value is None else (bytes([value]),) * 4
                for position, value in zip(encoded, values, strict=True)
            ]
            self._runs = ByteRuns([value is not None for value in values])
        self._pieces = PieceTable(encoded)

    def _joins(self, kind: type) -> bool:
        return any(isinstance(part.spec, kind) for part in self._joining)

    def __call__(
        self, ids: tf.Tensor, splits: tf.Tensor, skip_special_tokens: bool, clean_up: bool
    ) -> tf.Tensor:
        """int32 [m] in rows (int64 [batch + 1]) -> tf.string [batch]; unknown ids are left out."""
        ids = tf.where(tf.logical_or(ids < 0, ids >= self._size), self._size, ids)
        dropped = tf.gather(self._special if skip_special_tokens else self._dropped, ids)
        kept = positions_of(tf.logical_not(dropped))
        ids = tf.gather(ids, kept)
        splits = lower_bound(kept, splits)
        pieces = self._pieces(ids, splits)
        if self._runs is not None:
            pieces, splits = self._runs(ids, pieces, splits)
        texts = join_rows(pieces, splits)
        if self._joins(specs.ByteLevelDecoder):
            texts = replace_invalid(texts)
        for part in self._whole:
            texts = part.edit(texts)
        return clean_up_spaces(texts) if clean_up else texts


def cut(parts: list[Part]) -> tuple[list[Part], list[Part], list[Part]]:
    """(on single tokens, joining, on the joined text)"""
    first = next((i for i, part in enumerate(parts) if part.joins), len(parts))
    last = first
    while last < len(parts) and parts[last].joins:
        last += 1
    return parts[:first], parts[first:last], parts[last:]


def _token_decoder(parts: Sequence[Part]) -> Callable[[list[str]], str]:
    if not parts:
        return "".join
    component = {"type": "Sequence", "decoders": [part.spec.to_json() for part in parts]}
    decode: Callable[[list[str]], str] = probe.rust_tokenizer(decoder=component).decoder.decode
    return decode


def _bytes_of_characters(positions: list[tuple[str, str, str, str]]) -> list[tuple[bytes, ...]]:
    """Texts in GPT-2's byte alphabet to bytes; a text with another character stays as it is."""
    # by `str.translate` and Latin-1, in which other characters have no byte
    latin = dict.fromkeys(range(256), 0xFFFF)
    latin.update((c, byte) for byte, c in enumerate(byte_characters()))

    def convert(text: str) -> bytes:
        try:
            return text.translate(latin).encode("latin-1")
        except UnicodeEncodeError:
            return text.encode()

    return [tuple(convert(text) for text in position) for position in positions]
