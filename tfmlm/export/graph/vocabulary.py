"""What export needs to know of a vocabulary, asked of the Hugging Face tokenizer itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tfmlm.checkpoint.frame import skipped_ids

#: Marks that begin a token at a word start: byte-level BPE's and SentencePiece's.
WORD_START_MARKS = ("\u0120", "\u2581")
CONTINUATION = "##"


@dataclass(frozen=True)
class Vocabulary:
    """Strings and relations of token ids.

    Attributes:
        token_str: for each id what `tokenizer.decode([id])` gives.
        word: for each id its text without `##` and without spaces around it.
        special_ids: ids that `skip_special_tokens` drops.
        continuation: for each id the id of the same text glued to the word before
            (`##ing` of `ing`, `past` of `Ġpast`), the id itself where it is glued already, −1
            where the vocabulary has none.
        word_start_prefix: what has to stand before a word so that the tokenizer gives it the form
            it has at a word start within a text: a space for byte-level BPE without
            `add_prefix_space`, else nothing.
        ids: tokens as they are spelled in the vocabulary, with their ids.
        at_word_start: for each id whether a target spelled like it means it at a word start too
            (`Ġpast` does, `past` means ` past` there).
        bare_mark: id of the mark of a word start alone, −1 if there is none.
        marks_word_starts: whether tokens at a word start are marked (byte-level BPE,
            SentencePiece), not those that continue a word (WordPiece).
    """

    token_str: list[str]
    word: list[str]
    special_ids: list[int]
    continuation: list[int]
    word_start_prefix: str
    ids: dict[str, int]
    at_word_start: list[bool]
    bare_mark: int
    marks_word_starts: bool

    @classmethod
    def of(cls, tokenizer: Any, size: int) -> Vocabulary:
        """Reads the vocabulary of a fast tokenizer.

        Args:
            tokenizer: a Hugging Face tokenizer.
            size: number of ids the model scores; it may be larger than the tokenizer's.
        """
        tokens = tokenizer.convert_ids_to_tokens(range(size))
        ids = {token: i for token, i in tokenizer.get_vocab().items() if i < size}
        added = set(tokenizer.get_added_vocab())
        token_str = [tokenizer.decode([i]) for i in range(size)]
        marks = _uses_marks(tokens)
        return cls(
            token_str=token_str,
            word=[(t if marks else t.removeprefix(CONTINUATION)).strip() for t in token_str],
            special_ids=[i for i in skipped_ids(tokenizer) if i < size],
            continuation=[_continuation(token, ids, marks, added) for token in tokens],
            word_start_prefix=_word_start_prefix(tokenizer, marks),
            ids=ids,
            at_word_start=[
                not marks or token in added or (token or "").startswith(WORD_START_MARKS)
                for token in tokens
            ],
            bare_mark=next((ids[m] for m in WORD_START_MARKS if marks and m in ids), -1),
            marks_word_starts=marks,
        )


def _uses_marks(tokens: list[str | None]) -> bool:
    """Whether word starts are marked (byte-level BPE, SentencePiece), not continuations (##)."""
    marked = sum(token.startswith(WORD_START_MARKS) for token in tokens if token)
    continued = sum(token.startswith(CONTINUATION) for token in tokens if token)
    return marked > continued


def _continuation(token: str | None, ids: dict[str, int], marks: bool, added: set[str]) -> int:
    if token is None or token not in ids:
        return -1
    if token in added:
        return ids[token]
    if not marks:
        return ids[token] if token.startswith(CONTINUATION) else ids.get(CONTINUATION + token, -1)
    return ids.get(token[1:], -1) if token.startswith(WORD_START_MARKS) else ids[token]


def _word_start_prefix(tokenizer: Any, marks: bool) -> str:
    """A space if only a space before a word gives it the mark of a word start."""
    if not marks:
        return ""
    plain, spaced = (tokenizer.tokenize(text, add_special_tokens=False) for text in ("the", " the"))
    begins = [bool(t) and t[0].startswith(WORD_START_MARKS) for t in (plain, spaced)]
    return " " if begins == [False, True] else ""
