"""What is fixed at export: sizes, limits and special ids."""

from __future__ import annotations

from dataclasses import dataclass, field

from tfmlm.export.contract import DEFAULT_MAX_TEXT_BYTES, DEFAULT_TOP_K

#: Tokens of all sequences of one text in one answer, so that one request cannot take all memory:
#: one mask in 512 tokens may have every word of a vocabulary of 32,768 as a candidate.
MAX_SEQUENCE_TOKENS = 2**24
#: Places for candidates in one answer [batch, masks, k], 56 bytes each. Rows that ask for very many
#: words beside rows of very many masks get fewer: no combination takes a server's memory.
MAX_CANDIDATES = 2**23
#: Logits that are held at a time: 32 MB in float32.
PIECE_LOGITS = 2**23


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Constants of one export.

    Attributes:
        vocab_size: ids that the model scores.
        mask_id, pad_id, unk_id: special ids; unk_id stands for ids that a client sends and the
            model does not have.
        prefix_ids, suffix_ids: special tokens around a text.
        special_ids: ids that do not appear in a sequence.
        max_length: most tokens of one encoder row, with special tokens.
        top_k: candidates of the signatures that do not take their number.
        max_top_k: most candidates that a request may ask for.
        max_text_bytes: longer texts are not read.
        max_sequence_tokens: tokens of all sequences of one text in one answer.
        max_candidates: places for candidates in one answer.
        piece_logits: logits that are held at a time.
    """

    vocab_size: int
    mask_id: int
    pad_id: int
    unk_id: int
    max_length: int
    prefix_ids: tuple[int, ...] = ()
    suffix_ids: tuple[int, ...] = ()
    special_ids: tuple[int, ...] = field(default=(), repr=False)
    top_k: int = DEFAULT_TOP_K
    max_top_k: int = 2**31 - 1
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES
    max_sequence_tokens: int = MAX_SEQUENCE_TOKENS
    max_candidates: int = MAX_CANDIDATES
    piece_logits: int = PIECE_LOGITS

    def is_special(self) -> list[bool]:
        """Whether each id is special, by id."""
        special = set(self.special_ids)
        return [i in special for i in range(self.vocab_size)]
