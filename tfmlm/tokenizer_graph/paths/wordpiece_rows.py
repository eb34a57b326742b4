"""WordPiece over whole rows: splitting and pieces in one op, spelled so that it cannot go wrong.

TF Text's op splits at spaces, ASCII punctuation and CJK by itself, by rules that are not Rust's.
So the text is spelled in an alphabet in which both agree: a code point that stays inside of words
becomes a letter or digit of ASCII or a private-use character; one that is a word by itself becomes
ASCII punctuation or a CJK character; what is removed becomes a space; what disappears becomes an
invalid value, which the encoder leaves out. The vocabulary is spelled alike. An added token is a
CJK character of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder as builder
from tensorflow_text.python.ops.fast_wordpiece_tokenizer import gen_fast_wordpiece_tokenizer

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import ADDED, GAP, ROW
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.shift import column, positions_of
from tfmlm.tokenizer_graph.ops.tables import LIMIT, constant
from tfmlm.tokenizer_graph.pre_tokenizers.by_class import ISOLATED, REMOVED
from tfmlm.tokenizer_graph.spec import AddedToken, WordPiece

SPACE = 0x20
DROPPED = 0x1FFFFF  # no code point: the encoder leaves it out
SPELLING_BITS = 21
BREAK = 1 << SPELLING_BITS  # set where a word cannot go on
NO_ANSWER = 1 << (SPELLING_BITS + 1)  # set where the table has no answer
CONTINUING = chr(0x100000)  # the op's suffix indicator
# Punctuation of typeset text, of a category that never changed: the op splits there as Rust does.
KEPT_PUNCTUATION = range(0x2010, 0x2028)
NO_LIMIT = 1 << 30  # bytes in a word: the limit in characters is kept here

_LETTERS = ((0xE000, 0xF900), (0xF0000, 0xFFFFE))  # private use
_IDEOGRAPHS = ((0x4E00, 0xA000), (0x3400, 0x4DC0), (0x20000, 0x2A6E0), (0x2A700, 0x2B740))


class RowSpelling:
    """Which character stands for what.

    Args:
        spec: the model.
        classes: uint8 [0x110000], class of each code point (`pre_tokenizers/by_class.py`).
        added: the added tokens.
        template_ids: ids before and behind a single text, which get characters of their own.

    Raises:
        OverflowError: the vocabulary has more characters than the alphabet.
    """

    def __init__(
        self,
        spec: WordPiece,
        classes: np.ndarray,
        added: tuple[AddedToken, ...],
        template_ids: tuple[Sequence[int], Sequence[int]],
    ) -> None:
        self._classes = classes
        letters, ideographs = _numbers(_LETTERS), _numbers(_IDEOGRAPHS)
        self.unknown_letter, self.unknown_piece = next(letters), chr(next(letters))
        self.unknown_ideograph = next(ideographs)
        alphabet = sorted({ord(c) for token in spec.vocab for c in token})
        self.inside: dict[int, int] = {}
        ascii_punctuation = (c for c in range(0x21, 0x7F) if not chr(c).isalnum())
        self.alone: dict[int, int] = {c: c for c in (*ascii_punctuation, *KEPT_PUNCTUATION)}
        try:
            for c in alphabet:
                is_alnum = c < 0x80 and chr(c).isalnum()
                self.inside[c] = c if is_alnum else next(letters)
                if c not in self.alone:
                    self.alone[c] = next(ideographs)
            self.added = [next(ideographs) for _ in added]
            special = {number: next(ideographs) for ids in template_ids for number in ids}
        except StopIteration:
            raise OverflowError("more characters than the alphabet has") from None

        self.special = special

    def of(self, c: int) -> int:
        """Table entry of a code point that the pre-tokenizer sees."""
        kind = self._classes[c]
        if kind == REMOVED:
            return SPACE | BREAK
        if kind == ISOLATED:
            return self.of_alone(c)
        return self.inside.get(c, self.unknown_letter)

    def of_alone(self, c: int) -> int:
        """Table entry of a code point that is a word by itself, whatever stands beside it."""
        return self.alone.get(c, self.unknown_ideograph) | BREAK

    def is_space(self, c: int) -> bool:
        """Whether the pre-tokenizer removes a code point."""
        return self._classes[c] == REMOVED

    def table(self) -> np.ndarray:
        """Entries of all values of the stream."""
        entries = np.full(LIMIT, DROPPED, np.int32)
        kinds = self._classes
        entries[: len(kinds)] = self.unknown_letter
        entries[: len(kinds)][kinds == ISOLATED] = self.unknown_ideograph | BREAK
        entries[: len(kinds)][kinds == REMOVED] = SPACE | BREAK
        for c in {*self.inside, *self.alone}:
            entries[c] = self.of(c)
        entries[GAP] = entries[ROW] = SPACE | BREAK
        for k, character in enumerate(self.added):
            entries[ADDED + k] = character | BREAK
        return entries

    def pieces(self, spec: WordPiece, added: tuple[AddedToken, ...]) -> dict[str, int]:
        """The vocabulary as the op is to see it, without what no text can reach."""
        found = self._reachable(spec)
        for token, character in zip(added, self.added, strict=True):
            found[chr(character)] = token.id
        for number, character in self.special.items():
            found[chr(character)] = number
        return found

    def makes(self, spec: WordPiece, number: int) -> bool:
        """Whether the model can give an id without an added token."""
        return number in self._reachable(spec).values()

    def _reachable(self, spec: WordPiece) -> dict[str, int]:
        found = {self.unknown_piece: spec.vocab[spec.unk_token]}
        for token, number in spec.vocab.items():
            if self._is_word(token):
                found[self._spell(token)] = number
            if len(token) == 1:
                found[chr(self.alone[ord(token)])] = number
            rest = token.removeprefix(spec.continuing_subword_prefix)
            if (len(rest) < len(token) or not spec.continuing_subword_prefix) and (
                self._is_word(rest)
            ):
                found[CONTINUING + self._spell(rest)] = number
        return found

    def _is_word(self, text: str) -> bool:
        return bool(text) and all(self._classes[ord(c)] not in (REMOVED, ISOLATED) for c in text)

    def _spell(self, text: str) -> str:
        return "".join(chr(self.inside[ord(c)]) for c in text)


def _numbers(ranges: tuple[tuple[int, int], ...]) -> Iterator[int]:
    for start, end in ranges:
        yield from range(start, end)


class WordPieceRows(tf.Module):
    """Rows of table entries to rows of ids.

    Raises:
        UnsupportedTokenizerError: TF Text cannot hold the vocabulary.
    """

    def __init__(
        self,
        spec: WordPiece,
        spelling: RowSpelling,
        added: tuple[AddedToken, ...],
        template_ids: tuple[Sequence[int], Sequence[int]],
    ) -> None:
        super().__init__()
        prefix, suffix = ("".join(chr(spelling.special[n]) for n in ids) for ids in template_ids)
        self._prefix, self._suffix = prefix, suffix
        pieces = spelling.pieces(spec, added)
        self._unknown_letter = spelling.unknown_letter
        self._limit = spec.max_input_chars_per_word
        self._ids = constant(np.array(list(pieces.values()), np.int32))
        try:
            model = builder.build_fast_wordpiece_model(
                list(pieces), NO_LIMIT, CONTINUING, spelling.unknown_piece, False, False
            )
        except Exception as error:
            raise UnsupportedTokenizerError(
                "model.vocab", f"a vocabulary that TF Text cannot hold ({error})"
            ) from None
        self._model = constant(np.frombuffer(model, np.uint8))

    def spelled(self, entries: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """Table entries int32 [n], rows int64 [batch + 1] -> spelled rows, tf.string [batch].

        Every row ends with an entry that has `BREAK`.
        """
        entries = branch(
            self.may_be_too_long(entries),
            lambda: self._shorten(entries),
            lambda: entries,
        )
        return self.spelled_quickly(entries, splits)

    def may_be_too_long(self, entries: tf.Tensor) -> tf.Tensor:
        """bool []: false if no word is over the limit.

        The distance of two breaks counts what is dropped too, so it is never too small.
        """
        breaks = tf.where(entries >= BREAK)
        distance = breaks - tf.concat([[[-1]], breaks[:-1]], 0)[: tf.shape(breaks)[0]]
        return tf.reduce_any(distance > self._limit + 1)

    def spelled_quickly(self, entries: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """As `spelled`, int32 [n] -> tf.string [batch], where no word is over the limit."""
        return tf.raw_ops.UnicodeEncode(
            input_values=tf.bitwise.bitwise_and(entries, DROPPED),
            input_splits=splits,
            output_encoding="UTF-8",
            errors="ignore",
        )

    def __call__(
        self, spelled: tf.Tensor, with_special_tokens: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The pieces of spelled rows (tf.string [batch]).

        Args:
            with_special_tokens: add those of a single text.

        Returns:
            ids int32 [m], row splits int64 [batch + 1], and the byte in its spelled row at which
            each piece starts, int64 [m].
        """
        if with_special_tokens and (self._prefix or self._suffix):
            spelled = tf.strings.join([self._prefix, spelled, self._suffix])
        _, pieces, id_splits, starts, _ = (
            gen_fast_wordpiece_tokenizer.fast_wordpiece_tokenize_with_offsets(
                input_values=spelled, wp_model=self._model
            )
        )
        return tf.gather(self._ids, pieces), id_splits, starts

    def takes_for_a_space(self, character: str) -> bool:
        """Whether the op does (tried with the op)."""
        with tf.init_scope():
            ids, splits, starts = self(
                tf.constant([f"x{character}x", "x x"]), with_special_tokens=False
            )
        first, second = splits.numpy()[1:]
        return all(
            np.array_equal(part[:first], part[first:second])
            for part in (ids.numpy(), starts.numpy())
        )

    def _shorten(self, entries: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [n]: every word over the limit becomes one unknown letter."""
        ends = positions_of(entries >= BREAK)
        kept = tf.cumsum(tf.cast(tf.not_equal(entries, DROPPED), tf.int64))
        total = tf.gather(kept, ends)
        before = tf.concat([[0], total[:-1]], 0)
        # characters of the word that ends at each break (the break itself is one of `total`)
        too_long = total - before - 1 > self._limit
        starts = tf.concat([[0], ends[:-1] + 1], 0)
        ranges = tf.raw_ops.RaggedRange(
            starts=tf.boolean_mask(starts, too_long),
            limits=tf.boolean_mask(ends, too_long),
            deltas=tf.ones_like(tf.boolean_mask(ends, too_long)),
        )
        inside = column(ranges.rt_dense_values)
        entries = tf.tensor_scatter_nd_update(
            entries, inside, tf.fill(tf.shape(inside)[:1], DROPPED)
        )
        firsts = tf.boolean_mask(starts, too_long)[:, tf.newaxis]
        return tf.tensor_scatter_nd_update(
            entries, firsts, tf.fill(tf.shape(firsts)[:1], self._unknown_letter)
        )


def fused_entries(
    spelling: RowSpelling, changes: Mapping[int, Sequence[int]], acting: Iterable[int]
) -> np.ndarray:
    """The entries of raw text: what normalization and spelling give together.

    Args:
        changes: what each code point is normalized to, where that changes it.
        acting: code points whose normalization depends on their neighbours.

    Returns:
        int32 [LIMIT]; entries from `NO_ANSWER` upwards are no answer.
    """
    entries = spelling.table()
    for c, target in changes.items():
        if not target:
            entries[c] = DROPPED
        elif len(target) == 1:
            entries[c] = spelling.of(target[0])
        elif len(target) == 3 and spelling.is_space(target[0]) and spelling.is_space(target[2]):
            entries[c] = spelling.of_alone(target[1])
        else:
            entries[c] = NO_ANSWER
    for c in acting:
        entries[c] = NO_ANSWER
    return entries
