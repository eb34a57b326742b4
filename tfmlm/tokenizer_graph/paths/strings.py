r"""Rows whose words are found by a few string ops, without code points, for BPE and Unigram.

Most text is such. A character is plain if the normalizer leaves it as it is (or makes a capital
letter of ASCII small), whatever stands beside it. A row is plain if one regular expression says
that it holds nothing but plain characters, single spaces and mask tokens. Its words are then
found in one of two ways:

- GPT-2's pattern needs its look-ahead, `\s+(?!\S)`, only where whitespace follows whitespace.
  Without that it is an expression that RE2 can put a separator behind each match of.
- Metaspace makes a word of what stands between spaces.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import tensorflow as tf

from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.models._words import NOTHING
from tfmlm.tokenizer_graph.ops.re2 import character_class, literal
from tfmlm.tokenizer_graph.ops.regex import rust_class
from tfmlm.tokenizer_graph.ops.shift import lower_bound
from tfmlm.tokenizer_graph.ops.text import Tokens
from tfmlm.tokenizer_graph.pre_tokenizers.gpt2_split import CONTRACTIONS
from tfmlm.tokenizer_graph.registry import BuildContext

# ASCII, Latin, Greek, Cyrillic, and punctuation of typeset text. None of the categories below
# joins a grapheme cluster there, composes with what precedes it, or changed since Unicode 5.
CANDIDATES = ((0x21, 0x7F), (0xA1, 0x250), (0x370, 0x530), (0x2010, 0x2028), (0x20A0, 0x20B0))
CATEGORIES = "LNPS"
# Normalizers that look at most at what joins or composes, or at spaces beside spaces.
NORMALIZERS = (
    specs.NFC,
    specs.NFD,
    specs.NFKC,
    specs.NFKD,
    specs.Nmt,
    specs.Lowercase,
    specs.StripAccents,
    specs.Precompiled,
)
SPACES = " {2,}"
# Bytes that no UTF-8 has, in place of a mask token, and (so many of them) of a special token around
# a text; a character that is not plain, behind words.
MASK = b"\xff"
SPECIAL = b"\xfe"
SEPARATOR = "\x02"
# In place of what is not plain.
NOT_PLAIN = "\x00"


class PlainWords(tf.Module):
    """Finds which rows are plain, and their words. Made by `build`.

    Args:
        row: the expression that a plain row matches.
        refused: an expression for what makes a row not plain; may be empty.
        lowercase: whether capital letters become small ones.
        mask: the mask token, if there is one.
        pattern: the expression of a word; words are what stands between spaces without it.
        prefix: put before words.
        around: ids before and behind a single text.
    """

    def __init__(
        self,
        row: str,
        refused: str,
        lowercase: bool,
        mask: specs.AddedToken | None,
        pattern: str,
        prefix: str,
        around: tuple[list[int], list[int]],
    ) -> None:
        super().__init__()
        self._row, self._refused, self._lowercase = row, refused, lowercase
        self._mask, self._pattern, self._prefix = mask, pattern, prefix
        self._separator = SEPARATOR.encode() if pattern else b" "
        special = dict.fromkeys([*around[0], *around[1]])
        marks = {number: SPECIAL * (k + 1) for k, number in enumerate(special)}
        before, behind = ([marks[number] + self._separator for number in ids] for ids in around)
        self._before = b"".join(before)
        # the pattern puts a separator behind the last word; a space has to be put there
        self._behind = (b"" if pattern else self._separator) + b"".join(behind)
        #: What `SubwordModel` has to know.
        self.marks = {prefix.encode() + mark: number for number, mark in marks.items()}
        if mask:
            self.marks[prefix.encode() + MASK] = mask.id
        if pattern:
            self.marks[b""] = NOTHING

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        """tf.string [batch] -> bool [batch], whether a row is plain."""
        if self._refused:
            texts = tf.strings.regex_replace(texts, self._refused, NOT_PLAIN)
        return tf.strings.regex_full_match(texts, self._row)

    def words(self, texts: tf.Tensor, around: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """The words of plain rows (tf.string [batch]).

        Args:
            around: with the special tokens of a single text.

        Returns:
            tf.string [words], and splits int64 [batch + 1].
        """
        if around and (self._before or self._behind):
            texts = tf.strings.join([self._before, texts, self._behind])
        if self._mask is not None:
            before = b"" if self._pattern else self._separator
            texts = tf.strings.regex_replace(
                texts, mask_expression(self._mask), before + MASK + self._separator
            )
        if self._lowercase:
            texts = tf.strings.lower(texts)
        if self._pattern:
            texts = tf.strings.regex_replace(texts, self._pattern, "\\0" + SEPARATOR)
        parts = tf.raw_ops.StringSplitV2(input=texts, sep=SEPARATOR if self._pattern else "")
        rows = tf.range(tf.size(texts, tf.int64) + 1)
        splits = lower_bound(parts.indices[:, 0], rows)
        words = parts.values
        return tf.strings.join([self._prefix, words]) if self._prefix else words, splits

    def mask_spans(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Bytes from which to which the mask tokens go in plain rows, tf.string [batch].

        Returns:
            int64 [masks, 2], and splits int64 [batch + 1].
        """
        rows = tf.size(texts, tf.int64)
        if self._mask is None:
            return tf.zeros([0, 2], tf.int64), tf.zeros([rows + 1], tf.int64)
        content = self._mask.content
        size = len(content.encode())
        parts = tf.raw_ops.StringSplitV2(input=texts, sep=content)
        behind = tf.where(parts.indices[:, 1] > 0)[:, 0]
        row, number = tf.unstack(tf.gather(parts.indices, behind), axis=1)
        # bytes before each part, mask tokens apart
        bytes_before = tf.cumsum(tf.strings.length(parts.values), exclusive=True)
        own = tf.gather(bytes_before, behind) - tf.gather(bytes_before, behind - number)
        starts = tf.cast(own, tf.int64) + (number - 1) * size
        splits = lower_bound(row, tf.range(rows + 1))
        return tf.stack([starts, starts + size], 1), splits


def interleave(first: Tokens, second: Tokens, is_first: tf.Tensor) -> Tokens:
    """Two groups of rows in the order of their batch.

    Args:
        first, second: rows (values [m] or [m, k]).
        is_first: bool [batch], of which group each row is.
    """
    starts = tf.concat([first.splits, second.splits + first.splits[-1]], 0)
    number = tf.cumsum(tf.cast(is_first, tf.int64), exclusive=True)
    other = tf.range(tf.size(is_first, tf.int64)) - number + tf.size(first.splits, tf.int64)
    place = tf.where(is_first, number, other)
    begins = tf.gather(starts, place)
    order = tf.raw_ops.RaggedRange(
        starts=begins, limits=tf.gather(starts, place + 1), deltas=tf.ones_like(begins)
    )
    values = tf.concat([first.ids, second.ids], 0)
    return Tokens(tf.gather(values, order.rt_dense_values), order.rt_nested_splits)


def mask_expression(mask: specs.AddedToken) -> str:
    """The mask token with the spaces that it strips (a plain row has single ones)."""
    before, behind = " ?" if mask.lstrip else "", " ?" if mask.rstrip else ""
    return before + literal(mask.content) + behind


def build(context: BuildContext, around: tuple[list[int], list[int]]) -> PlainWords | None:
    """The plain words of a tokenizer, or `None` where there is no such short way.

    Args:
        around: ids before and behind a single text.
    """
    spec = context.spec
    if not isinstance(spec.model, (specs.BPE, specs.Unigram)):
        return None
    masks = [token for token in spec.added_tokens if token.content == spec.config.mask_token]
    mask = masks[0] if masks else None
    if any(token.single_word for token in spec.added_tokens):
        return None
    atoms = specs.atoms(spec.normalizer)
    normalize = context.tokenizer.normalizer.normalize_str if atoms else str
    refused = [
        normalize(token.content) if token.normalized else token.content
        for token in spec.added_tokens
        if token is not mask
    ]
    for atom in atoms:
        if isinstance(atom, specs.ReplaceNormalizer) and not atom.pattern.regex:
            if len(atom.pattern.text) > 1:
                refused.append(atom.pattern.text)
        elif not (
            isinstance(atom, (*NORMALIZERS, specs.StripNormalizer))
            or (
                isinstance(atom, specs.ReplaceNormalizer)
                and (atom.pattern.text, atom.content) == (SPACES, " ")
            )
        ):
            return None
    lowercase = normalize("xAx") == "xax"
    plain = [c for c in _candidates() if normalize(f"x{chr(c)}x") == f"x{_small(c, lowercase)}x"]
    if normalize("x x") != "x x" or ord("a") not in plain:
        return None
    if mask is not None and mask.normalized and normalize(mask.content) != mask.content:
        return None
    character = character_class(plain)
    token = literal(mask.content) if mask else character
    loose = f"(?: ?(?:{character}|{token}))* ?"
    strict = f"(?: ?(?:{character}|{token}))*"  # no space at the end
    parts = specs.atoms(spec.pre_tokenizer)
    last = parts[-1] if parts else None
    if isinstance(last, specs.ByteLevelPreTokenizer) and len(parts) == 1:
        is_exact = all(isinstance(atom, NORMALIZERS) for atom in atoms)
        if last.add_prefix_space or not last.use_regex or not is_exact:
            return None
        if not context.model_takes_text:
            return None
        pattern = _gpt2_pattern(plain)
        return PlainWords(loose, _any(refused, lowercase), lowercase, mask, pattern, "", around)
    if isinstance(last, specs.MetaspacePreTokenizer) and last.split:
        if last.prepend_scheme != "always":
            return None
        if len(parts) == 1:
            if mask and not mask.lstrip:  # the space before it would become a word
                refused.append(f" {mask.content}")
            row = strict
        elif len(parts) == 2 and isinstance(parts[0], specs.WhitespaceSplit):
            row = loose
        else:
            return None
        expression = _any(refused, lowercase)
        return PlainWords(row, expression, lowercase, mask, "", last.replacement, around)
    return None


def _candidates() -> list[int]:
    return [
        c
        for first, end in CANDIDATES
        for c in range(first, end)
        if unicodedata.category(chr(c))[0] in CATEGORIES
    ]


def _small(c: int, lowercase: bool) -> str:
    return chr(c).lower() if lowercase and c < 0x80 else chr(c)


def _gpt2_pattern(plain: Sequence[int]) -> str:
    letters, numbers = set(rust_class(r"\p{L}").tolist()), set(rust_class(r"\p{N}").tolist())
    classes = (
        [c for c in plain if c in letters],
        [c for c in plain if c in numbers],
        [c for c in plain if c not in letters and c not in numbers],
    )
    runs = (f" ?{character_class(members)}+" for members in classes if members)
    return "|".join([*(f"'{suffix}" for suffix in CONTRACTIONS), *runs, " "])


def _any(texts: Sequence[str], lowercase: bool) -> str:
    expression = "|".join(map(literal, texts))
    return f"(?i:{expression})" if expression and lowercase else expression
