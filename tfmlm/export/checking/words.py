"""Words of a vocabulary: their strings, and what a target word means at a mask."""

from __future__ import annotations

import functools
import unicodedata
from typing import Any

from tfmlm.export.checking.tokens import TextReader

#: What a token at a word start begins with: byte-level BPE's mark and SentencePiece's.
_MARKS = ("\u0120", "\u2581")
#: What a token within a word begins with, where word starts have no mark: WordPiece's.
_CONTINUES = "##"


class Words:
    """Strings of ids as `tokenizer.decode` gives them, and ids of target words."""

    def __init__(self, tokenizer: Any, reader: TextReader, size: int) -> None:
        """Takes a tokenizer, its reader, and how many ids the model scores."""
        self._tokenizer = tokenizer
        self._pieces = reader.pieces
        self._ids = {token: i for token, i in tokenizer.get_vocab().items() if i < size}
        self._added = set(tokenizer.get_added_vocab())
        marked = sum(token.startswith(_MARKS) for token in self._ids)
        continued = sum(token.startswith(_CONTINUES) for token in self._ids)
        #: Whether tokens at a word start are marked, not those within a word.
        self.marks_starts = marked > continued
        self._decoded: dict[int, str] = {}

    def string(self, token: int) -> str:
        """`tokenizer.decode([token])`."""
        if token not in self._decoded:
            self._decoded[token] = self._tokenizer.decode([token])
        return self._decoded[token]

    def word(self, token: int) -> str:
        """What stands in a filled text: the string without `##` and without spaces around it."""
        string = self.string(token)
        return (string if self.marks_starts else string.removeprefix(_CONTINUES)).strip()

    @functools.cached_property
    def special(self) -> set[int]:
        """Ids that `tokenizer.decode(…, skip_special_tokens=True)` leaves out."""
        if not self._tokenizer.is_fast:
            return set(self._tokenizer.all_special_ids)
        return {i for i, token in self._tokenizer.added_tokens_decoder.items() if token.special}

    def target(self, target: str, before: str) -> tuple[int | None, bool]:
        """The token of a target word behind the text `before`, and whether it is the whole word.

        A target that is spelled as a token is that token, unless it would be a word's beginning
        where the word before goes on, or the other way round. Any other is tokenized and stands for
        its first piece.
        """
        if not target:
            return None, False
        glued = ends_in_a_word(before, self.marks_starts)
        token, whole = self._marked(target, glued) if self.marks_starts else self._plain(target)
        if self.marks_starts or not glued or token is None:
            return token, whole
        continued = self._continued(token)
        return (token, False) if continued is None else (continued, whole)

    def _plain(self, target: str) -> tuple[int | None, bool]:
        """At a word start, in a vocabulary whose word starts have no mark."""
        if target in self._ids:
            return self._ids[target], True
        pieces = self._pieces(target)
        return (pieces[0], len(pieces) == 1) if pieces else (None, False)

    def _continued(self, token: int) -> int | None:
        """The same text within a word, in a vocabulary whose word starts have no mark."""
        spelled = self._tokenizer.convert_ids_to_tokens(token)
        if spelled in self._added or spelled.startswith(_CONTINUES):
            return token
        return self._ids.get(_CONTINUES + spelled)

    def _marked(self, target: str, glued: bool) -> tuple[int | None, bool]:
        """In a vocabulary whose word starts are marked."""
        starts = target in self._added or target.startswith(_MARKS)
        if target in self._ids and (glued or starts):
            return self._ids[target], True
        if glued:
            pieces = self._pieces(target)
            spelled = self._tokenizer.convert_ids_to_tokens(pieces)
            if len(pieces) > 1 and spelled[0] in _MARKS:
                return pieces[1], len(pieces) == 2
            if pieces and (pieces[0] in self._added_ids or not spelled[0].startswith(_MARKS)):
                return pieces[0], len(pieces) == 1
            if pieces and spelled[0][1:] in self._ids:
                return self._ids[spelled[0][1:]], len(pieces) == 1
        spaced = target if target[0].isspace() else self._space + target
        pieces = self._pieces(spaced)
        return (pieces[0], len(pieces) == 1 and not glued) if pieces else (None, False)

    @functools.cached_property
    def _added_ids(self) -> set[int]:
        return set(self._tokenizer.get_added_vocab().values())

    @functools.cached_property
    def _space(self) -> str:
        """What stands before a word within a text, if the tokenizer does not put it there."""
        alone, within = (
            self._tokenizer.tokenize(text, add_special_tokens=False) for text in ("the", " the")
        )
        marked = [bool(tokens) and tokens[0].startswith(_MARKS) for tokens in (alone, within)]
        return " " if marked == [False, True] else ""


def ends_in_a_word(before: str, after_punctuation: bool) -> bool:
    """Whether what follows the text `before` is glued to a word.

    Args:
        before: the text before a mask.
        after_punctuation: whether anything but whitespace counts as a word.
    """
    if not before or before[-1].isspace():
        return False
    if after_punctuation:
        return True
    last = before[-1]
    if last.isascii():
        return last.isalnum()
    ideograph = "CJK UNIFIED" in unicodedata.name(last, "") or "\uf900" <= last <= "\ufaff"
    return unicodedata.category(last)[0] not in "PCZ" and not ideograph
