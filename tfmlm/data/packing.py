"""One integer per token: its id with the flags that the data graph needs.

`prepare_tf_dataset` drops every column that the model's `call` does not name, so what masking
needs to know of a token travels in the upper bits of `input_ids` and is taken apart in the data
graph, before any model sees it.

Layout: bits 0–23 the id; bit 24 the token continues the word before it; bit 25 padding;
bits 26–27 the token type id; bit 28 the first token of a text, where a row holds several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfmlm.checkpoint.frame import frame_of, skipped_ids
from tfmlm.checkpoint.limits import id_count
from tfmlm.errors import UserError

ID_BITS = 24
ID_MASK = (1 << ID_BITS) - 1
CONTINUES = 1 << 24
PADDING = 1 << 25
TYPE_SHIFT = 26
TYPE_MASK = 3
STARTS_TEXT = 1 << 28


@dataclass(frozen=True)
class PackedFrame:
    """A tokenizer's frame (`tfmlm.checkpoint.frame`), packed.

    Attributes:
        prefix: packed special tokens before the text.
        suffix: packed special tokens after it.
        text: the bits of the text's own token type.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    text: int = 0

    def __len__(self) -> int:
        return len(self.prefix) + len(self.suffix)

    def wrap(self, tokens: np.ndarray) -> np.ndarray:
        """The packed sequence with its special tokens, int32."""
        return np.concatenate(
            [np.array(self.prefix, np.int32), tokens | self.text, np.array(self.suffix, np.int32)]
        ).astype(np.int32)


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know of a tokenizer.

    Attributes:
        size: number of ids, those of holes in the vocabulary included.
        mask_id: id of the mask token.
        pad_id: id used for padding.
        special_ids: ids never masked and never drawn, sorted.
    """

    size: int
    mask_id: int
    pad_id: int
    special_ids: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any, model_vocab_size: int | None = None) -> Vocabulary:
        """Reads it from a tokenizer; ids from `model_vocab_size` on are treated as special."""
        require_fast(tokenizer)
        if tokenizer.mask_token_id is None:
            raise UserError("the tokenizer has no mask token; choose a masked LM's tokenizer")
        size = id_count(tokenizer)
        special = {i for i in tokenizer.all_special_ids if i is not None}
        special |= set(skipped_ids(tokenizer))
        if model_vocab_size is not None:
            special |= set(range(model_vocab_size, size))
        used = set(tokenizer.get_vocab().values())
        special |= set(range(size)) - used
        pad_id = tokenizer.pad_token_id
        if pad_id is None:
            pad_id = 0
        return cls(size, tokenizer.mask_token_id, pad_id, tuple(sorted(special)))

    def drawable_ids(self) -> np.ndarray:
        """Ids that may stand in for a masked token, int32, sorted."""
        return np.setdiff1d(
            np.arange(self.size, dtype=np.int32), np.array(self.special_ids, np.int32)
        )


def require_fast(tokenizer: Any) -> None:
    """Raises `UserError` for a slow tokenizer."""
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"{type(tokenizer).__name__} is a slow tokenizer (written in Python, without "
            "tokenizer.json); choose a fast one with tokenizer_name"
        )


def packed_frame(tokenizer: Any) -> PackedFrame:
    """The special tokens that the tokenizer puts around one sequence.

    Raises:
        UserError: as `frame_of`, or a token type that has no room in the packing.
    """
    frame = frame_of(tokenizer)
    most = max(frame.types)
    if most > TYPE_MASK:
        raise UserError(f"the tokenizer gives token type {most}; training has room for 0 to 3")
    return PackedFrame(
        _packed(frame.before, frame.before_types),
        _packed(frame.behind, frame.behind_types),
        frame.text_type << TYPE_SHIFT,
    )


def _packed(ids: Sequence[int], types: Sequence[int]) -> tuple[int, ...]:
    return tuple(i | kind << TYPE_SHIFT for i, kind in zip(ids, types, strict=True))


def plain_backend(tokenizer: Any) -> Any:
    """A copy of the Rust tokenizer without truncation and padding."""
    from tokenizers import Tokenizer

    require_fast(tokenizer)
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    return backend


class Encoder:
    """Texts to packed tokens, with all cores (the Rust tokenizer's threads).

    Args:
        tokenizer: a fast tokenizer.
        words: whether to flag the tokens that continue a word (costs a third of the speed).
    """

    def __init__(self, tokenizer: Any, words: bool) -> None:
        self._backend = plain_backend(tokenizer)
        self._words = words
        self._starts_word = _starts_word_table(self._backend) if words else None

    def __call__(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yields for each text its packed tokens, int32, without special tokens."""
        # encode_batch_fast leaves out the words' numbers too, not only the offsets.
        encode = self._backend.encode_batch if self._words else self._backend.encode_batch_fast
        for encoding in encode(list(texts), add_special_tokens=False):
            tokens = np.array(encoding.ids, np.int32)
            if self._words and len(tokens):
                tokens |= self._continues(tokens, encoding.word_ids)
            yield tokens

    def _continues(self, tokens: np.ndarray, word_ids: list[int | None]) -> np.ndarray:
        words = np.array([-1 if word is None else word for word in word_ids], np.int64)
        assert self._starts_word is not None
        same = np.zeros(len(tokens), bool)
        same[1:] = (words[1:] == words[:-1]) & (words[1:] >= 0) & ~self._starts_word[tokens[1:]]
        return np.where(same, CONTINUES, 0).astype(np.int32)


def _starts_word_table(backend: Any) -> np.ndarray:
    """By id, whether the token begins with SentencePiece's word mark.

    Some such tokenizers (Metaspace without splitting) treat a whole text as one word; the mark
    still tells the words apart.
    """
    vocabulary = backend.get_vocab(with_added_tokens=True)
    table = np.zeros(max(vocabulary.values()) + 1, bool)
    for token, index in vocabulary.items():
        table[index] = token.startswith("\u2581")
    return table
