"""Fast rows for TF Text's op: spelled by a few string ops, without code points.

A character is inert here if the op takes it as it is written (after ASCII lower-casing, where the
tokenizer does that) for what the table of `wordpiece.py` would have spelled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.added_tokens import AddedTokenPass
from tfmlm.tokenizer_graph.component import Spans, Tokens
from tfmlm.tokenizer_graph.ops.re2 import character_class, literal
from tfmlm.tokenizer_graph.paths.strings import FastRows
from tfmlm.tokenizer_graph.paths.wordpiece_rows import (
    BREAK,
    DROPPED,
    KEPT_PUNCTUATION,
    NO_ANSWER,
    SPACE,
    WordPieceRows,
)

# RE2 repeats at most so often.
MAX_REPEAT = 1000


class RowStringsPath(FastRows):
    """The `Path` of fast rows. Made by `build`.

    Args:
        rows: the op.
        row, refused: see `FastRows`.
        lowercase: whether capital letters become small ones.
        mask: the mask token, and the character that stands for it.
    """

    def __init__(
        self,
        rows: WordPieceRows,
        row: str,
        refused: str,
        lowercase: bool,
        mask: tuple[str, str] | None,
    ) -> None:
        super().__init__(row, refused, mask[0] if mask else None)
        self._rows, self._lowercase = rows, lowercase
        self._replaced = (literal(mask[0]), mask[1]) if mask else None

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        """See `Path`."""
        ids, splits, _ = self._rows(self.spelled(texts), with_special_tokens)
        return Tokens(ids, splits)

    def spelled(self, texts: tf.Tensor) -> tf.Tensor:
        """Fast rows as the op is to get them, tf.string [batch]; of others nonsense."""
        if self._replaced:
            texts = tf.strings.regex_replace(texts, *self._replaced)
        return tf.strings.lower(texts) if self._lowercase else texts

    def spans(self, texts: tf.Tensor) -> Spans:
        """See `Path`."""
        return Spans(self.tokens(texts), *self.mask_spans(texts))


def build(
    entries: np.ndarray,
    rows: WordPieceRows,
    limit: int,
    before: AddedTokenPass | None,
    mask: tuple[str, str] | None,
) -> RowStringsPath | None:
    """The fast rows of a tokenizer, or `None` if there are none to speak of.

    Args:
        entries: int32 [LIMIT], the table of raw text (`fused_entries`).
        rows: the op.
        limit: characters of the longest word.
        before: what finds the added tokens, all of them.
        mask: the mask token, and the character that stands for it.
    """
    if before is not None and before.looks_at_neighbours:
        return None
    contents = ["".join(map(chr, pattern)) for pattern in before.patterns] if before else []
    lowercase = int(entries[ord("A")]) == ord("a")
    inside, apart = _characters(entries, rows, lowercase)
    if not inside or not apart:
        return None
    word = f"{character_class(inside)}{{0,{min(limit, MAX_REPEAT)}}}"
    between = character_class(apart)
    if mask:
        between = f"(?:{between}|{literal(mask[0])})"
        contents.remove(mask[0])
    row = f"(?:{word}{between})*{word}"
    return RowStringsPath(rows, row, "|".join(map(literal, contents)), lowercase, mask)


def _characters(
    entries: np.ndarray, rows: WordPieceRows, lowercase: bool
) -> tuple[Sequence[int], Sequence[int]]:
    """The inert code points that stay inside of words, and those between words."""
    inside: list[int] = []
    apart: list[int] = []
    for c in (*range(1, 0x80), *KEPT_PUNCTUATION):
        entry = int(entries[c])
        written = ord(chr(c).lower()) if lowercase and c < 0x80 else c
        if entry == SPACE | BREAK:
            if rows.takes_for_a_space(chr(c)):
                apart.append(c)
        elif entry < NO_ANSWER and entry & DROPPED == written and not chr(c).isspace():
            (apart if entry & BREAK else inside).append(c)
    return inside, apart
