"""Rows whose characters need no table: spelled by a few string ops, without code points.

English text is mostly such. A character is plain if the op of `wordpiece_rows.py` takes it
as it is written (after ASCII lower-casing, where the tokenizer does that) for what the table would
have spelled. A row is plain if one regular expression over these characters matches all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.added_tokens import AddedTokenPass
from tfmlm.tokenizer_graph.ops.re2 import character_class, literal
from tfmlm.tokenizer_graph.paths.wordpiece_rows import (
    BREAK,
    DROPPED,
    KEPT_PUNCTUATION,
    SLOW,
    SPACE,
)

# RE2 repeats at most so often.
MAX_REPEAT = 1000
# Put in place of added tokens other than the mask token; no plain character.
NOT_PLAIN = "\x00"


class PlainRows(tf.Module):
    """Spells the rows that are plain. Made by `build`.

    Args:
        inside: characters that stay inside of words.
        apart: characters between words.
        lowercase: whether capital letters become small ones.
        limit: characters of the longest word.
        mask: the mask token, and the character that stands for it.
        others: the other added tokens.
    """

    def __init__(
        self,
        inside: Sequence[int],
        apart: Sequence[int],
        lowercase: bool,
        limit: int,
        mask: tuple[str, str] | None,
        others: Sequence[str],
    ) -> None:
        super().__init__()
        self._lowercase = lowercase
        self._mask = mask
        self._others = "|".join(map(literal, others))
        word = f"{character_class(inside)}{{0,{min(limit, MAX_REPEAT)}}}"
        between = character_class(apart)
        if mask:
            between = f"(?:{between}|{literal(mask[0])})"
        self._pattern = f"(?:{word}{between})*{word}"
        self.mask_bytes = len(mask[0].encode()) if mask else 0
        # bytes by which a row grows shorter with each mask token
        self.shrinks = self.mask_bytes - len(mask[1].encode()) if mask else 0

    def __call__(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """tf.string [batch] -> spelled rows, tf.string [batch]; which are plain, bool [batch].

        The spelling of a row that is not plain means nothing.
        """
        if self._others:
            texts = tf.strings.regex_replace(texts, self._others, NOT_PLAIN)
        plain = tf.strings.regex_full_match(texts, self._pattern)
        if self._mask:
            texts = tf.strings.regex_replace(texts, literal(self._mask[0]), self._mask[1])
        if self._lowercase:
            texts = tf.strings.lower(texts)
        return texts, plain


def build(
    entries: np.ndarray,
    is_one_break: Callable[[str], bool],
    limit: int,
    before: AddedTokenPass | None,
    mask: tuple[int, str] | None,
) -> PlainRows | None:
    """The plain rows of a tokenizer, or `None` if there are none to speak of.

    Args:
        entries: the table of raw text (`fused_entries`).
        is_one_break: whether the op takes a character for a space.
        limit: characters of the longest word.
        before: the added tokens, all of them.
        mask: the index of the mask token in `before`, and the character that stands for it.
    """
    patterns = ["".join(map(chr, pattern)) for pattern in before.patterns] if before else []
    if before is not None and before.looks_at_neighbours:
        return None
    lowercase = int(entries[ord("A")]) == ord("a")
    inside: list[int] = []
    apart: list[int] = []
    for c in (*range(1, 0x80), *KEPT_PUNCTUATION):
        entry = int(entries[c])
        written = ord(chr(c).lower()) if lowercase and c < 0x80 else c
        if entry == SPACE | BREAK:
            if is_one_break(chr(c)):
                apart.append(c)
        elif entry < SLOW and entry & DROPPED == written and not chr(c).isspace():
            (apart if entry & BREAK else inside).append(c)
    if not inside or not apart:
        return None
    number, character = mask or (-1, "")
    others = [pattern for k, pattern in enumerate(patterns) if k != number]
    own = (patterns[number], character) if mask else None
    return PlainRows(inside, apart, lowercase, limit, own, others)
