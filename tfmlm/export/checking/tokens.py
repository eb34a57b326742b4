"""A text as the Hugging Face tokenizer reads it: ids, what stands around them, where masks are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Ids and token types of one row of a model.
Row = dict[str, list[int]]


@dataclass(frozen=True)
class Tokens:
    """One text.

    Attributes:
        row: `input_ids` and `token_type_ids`, with special tokens around the text.
        begin, end: where the text's own tokens begin in the row and where they end.
        masks: which of its own tokens are masks, ascending.
        spans: the masks' places in the text, (first character, character after the last), without
            the whitespace that a mask token may swallow.
    """

    row: Row
    begin: int
    end: int
    masks: list[int]
    spans: list[tuple[int, int]]

    @property
    def own(self) -> list[int]:
        """Ids of the text's own tokens."""
        return self.row["input_ids"][self.begin : self.end]

    def part(self, start: int, length: int) -> Row:
        """The row of some of the text's own tokens, with what stands around the text."""
        first = self.begin + start
        return {
            name: [*values[: self.begin], *values[first : first + length], *values[self.end :]]
            for name, values in self.row.items()
        }


class TextReader:
    """Reads texts with a tokenizer of transformers, fast or slow."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        """Takes a tokenizer and the most tokens of a row, with special tokens."""
        self._tokenizer = tokenizer
        #: Most tokens of a text's own in a row.
        self.room = max_length - tokenizer.num_special_tokens_to_add()

    def __call__(self, text: str) -> Tokens:
        """Reads one text of any length."""
        read = self._fast if self._tokenizer.is_fast else self._slow
        return read(text)

    def pieces(self, text: str) -> list[int]:
        """Ids of a text without special tokens."""
        return self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def _fast(self, text: str) -> Tokens:
        (encoding,) = self._tokenizer(text, verbose=False).encodings
        own = [place for place, text in enumerate(encoding.sequence_ids) if text is not None]
        begin, end = (own[0], own[-1] + 1) if own else (0, 0)
        masks = self._masks(encoding.ids[begin:end])
        return Tokens(
            {"input_ids": encoding.ids, "token_type_ids": encoding.type_ids},
            begin,
            end,
            masks,
            [_without_spaces(text, *encoding.offsets[begin + place]) for place in masks],
        )

    def _slow(self, text: str) -> Tokens:
        """A slow tokenizer gives no offsets, but it takes mask tokens out of a text as they are."""
        tokenizer = self._tokenizer
        own = self.pieces(text)
        ids = tokenizer.build_inputs_with_special_tokens(own)
        types = tokenizer.create_token_type_ids_from_sequences(own)
        begin = tokenizer.build_inputs_with_special_tokens([-1]).index(-1)
        found = re.finditer(re.escape(tokenizer.mask_token), text)
        return Tokens(
            {"input_ids": ids, "token_type_ids": types},
            begin,
            begin + len(own),
            self._masks(own),
            [match.span() for match in found],
        )

    def _masks(self, ids: Sequence[int]) -> list[int]:
        mask = self._tokenizer.mask_token_id
        return [place for place, token in enumerate(ids) if token == mask]


def _without_spaces(text: str, begin: int, end: int) -> tuple[int, int]:
    content = text[begin:end]
    begin += len(content) - len(content.lstrip())
    return begin, end - (len(content) - len(content.rstrip()))
