r"""The fast path: rows whose tokens are found by a few string ops, without code points.

Most text is such. A character is *inert* (the word of Unicode's normalization) if the normalizer
leaves it as it is, or makes a capital letter of ASCII small, whatever stands beside it. A row is
*fast* if one regular expression says that it holds nothing but inert characters, spaces that cannot
act on each other, and mask tokens. Its words are then found in one of three ways:

- GPT-2's pattern needs its look-ahead, `\s+(?!\S)`, only where whitespace follows whitespace.
  Without that it is an expression that RE2 can put a separator behind each match of.
- Metaspace makes a word of what stands between spaces.
- BERT's pre-tokenizer and its kin make words of what stands between spaces, and of punctuation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.component import BuildContext, Spans, Tokens
from tfmlm.tokenizer_graph.models._words import NOTHING, SubwordModel
from tfmlm.tokenizer_graph.ops.re2 import character_class, literal
from tfmlm.tokenizer_graph.ops.regex import rust_class
from tfmlm.tokenizer_graph.ops.shift import lower_bound
from tfmlm.tokenizer_graph.paths.mask_spans import literal_spans
from tfmlm.tokenizer_graph.pre_tokenizers import by_class
from tfmlm.tokenizer_graph.pre_tokenizers.gpt2_split import CONTRACTIONS

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
    specs.BertNormalizer,
)
SPACES = " {2,}"
# At what `StringSplitV2` splits without a separator.
ASCII_SPACES = " \t\n\v\f\r"
# Bytes that no UTF-8 has: one stands for a mask token, one, two, ... for the special tokens around
# a text. A character that is not inert, put behind words.
MASK_BYTE = b"\xff"
SPECIAL_BYTE = b"\xfe"
SEPARATOR = "\x02"
# In place of what keeps a row from being fast.
REFUSED = "\x00"


class FastRows(tf.Module):
    """Finds which rows are fast, and the mask tokens in them.

    Args:
        row: the RE2 expression that a fast row matches.
        refused: an expression for what keeps a row from being fast; may be empty.
        mask: the mask token, if there is one.
    """

    def __init__(self, row: str, refused: str, mask: str | None) -> None:
        super().__init__()
        self._row, self._refused, self._mask = row, refused, mask

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        """tf.string [batch] -> bool [batch], whether a row is fast."""
        if self._refused:
            texts = tf.strings.regex_replace(texts, self._refused, REFUSED)
        return tf.strings.regex_full_match(texts, self._row)

    def mask_spans(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Fast rows, tf.string [batch] -> where mask tokens are in them, see `literal_spans`."""
        return literal_spans(texts, self._mask)


class FastWords(FastRows):
    """Finds the words of fast rows. Made by `build`.

    Args:
        row, refused: see `FastRows`.
        lowercase: whether capital letters become small ones.
        mask: the mask token, if there is one.
        pattern: the RE2 expression of a word; words are what stands between spaces without it.
        apart: an expression for characters that are words by themselves; may be empty.
        prefix: put before words.
        template_ids: ids before and behind a single text.
    """

    def __init__(
        self,
        row: str,
        refused: str,
        lowercase: bool,
        mask: specs.AddedToken | None,
        template_ids: tuple[Sequence[int], Sequence[int]],
        *,
        pattern: str = "",
        apart: str = "",
        prefix: str = "",
    ) -> None:
        super().__init__(row, refused, mask.content if mask else None)
        self._lowercase, self._pattern, self._apart, self._prefix = (
            lowercase,
            pattern,
            apart,
            prefix,
        )
        self._mask_expression = mask_expression(mask) if mask else ""
        self._separator = SEPARATOR.encode() if pattern else b" "
        numbers = dict.fromkeys([*template_ids[0], *template_ids[1]])
        spelled = {number: SPECIAL_BYTE * (k + 1) for k, number in enumerate(numbers)}
        before, behind = (
            [spelled[number] + self._separator for number in ids] for ids in template_ids
        )
        self._before = b"".join(before)
        # the pattern puts a separator behind the last word; a space has to be put there
        self._behind = (b"" if pattern else self._separator) + b"".join(behind)
        #: What `SubwordModel` has to know of: byte strings in place of ids.
        self.special = {prefix.encode() + text: number for number, text in spelled.items()}
        if mask:
            self.special[prefix.encode() + MASK_BYTE] = mask.id
        if pattern:
            self.special[b""] = NOTHING

    def words(self, texts: tf.Tensor, with_special_tokens: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """The words of fast rows (tf.string [batch]).

        Args:
            with_special_tokens: with those of a single text.

        Returns:
            tf.string [words], and splits int64 [batch + 1].
        """
        if with_special_tokens and (self._before or self._behind):
            texts = tf.strings.join([self._before, texts, self._behind])
        if self._mask_expression:
            before = b"" if self._pattern else self._separator
            texts = tf.strings.regex_replace(
                texts, self._mask_expression, before + MASK_BYTE + self._separator
            )
        if self._lowercase:
            texts = tf.strings.lower(texts)
        if self._apart:
            texts = tf.strings.regex_replace(texts, self._apart, " \\0 ")
        if self._pattern:
            texts = tf.strings.regex_replace(texts, self._pattern, "\\0" + SEPARATOR)
        parts = tf.raw_ops.StringSplitV2(input=texts, sep=SEPARATOR if self._pattern else "")
        rows = tf.range(tf.size(texts, tf.int64) + 1)
        splits = lower_bound(parts.indices[:, 0], rows)
        words = parts.values
        return tf.strings.join([self._prefix, words]) if self._prefix else words, splits


class StringPath(tf.Module):
    """The `Path` of fast rows: words by string ops, ids by the model."""

    def __init__(self, finder: FastWords, model: SubwordModel) -> None:
        super().__init__()
        self._finder, self._model = finder, model

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        """See `Path`."""
        return self._finder.matches(texts)

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        """See `Path`."""
        words, splits = self._finder.words(texts, with_special_tokens)
        ids, id_splits = self._model.tokens_of(words)
        return Tokens(ids, tf.gather(id_splits, splits))

    def spans(self, texts: tf.Tensor) -> Spans:
        """See `Path`."""
        return Spans(self.tokens(texts), *self._finder.mask_spans(texts))


def mask_expression(mask: specs.AddedToken) -> str:
    """The mask token with the spaces that it strips (a fast row has single ones)."""
    before, behind = " ?" if mask.lstrip else "", " ?" if mask.rstrip else ""
    return before + literal(mask.content) + behind


def build(context: BuildContext) -> FastWords | None:
    """What finds the words of fast rows, or `None` where the components allow none."""
    spec = context.spec
    if not isinstance(spec.model, (specs.BPE, specs.Unigram, specs.WordPiece)):
        return None
    mask = context.mask[1] if context.mask else None
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
    inert = [c for c in _candidates() if normalize(f"x{chr(c)}x") == f"x{_small(c, lowercase)}x"]
    if normalize("x x") != "x x" or ord("a") not in inert:
        return None
    if mask is not None and mask.normalized and normalize(mask.content) != mask.content:
        return None
    parts = specs.atoms(spec.pre_tokenizer)
    last = parts[-1] if parts else None
    if isinstance(spec.model, specs.WordPiece):
        if len(parts) == 1 and isinstance(last, BY_CLASS):
            return _by_class(context, last, inert, refused, lowercase, mask)
        return None
    character = character_class(inert)
    token = literal(mask.content) if mask else character
    loose = f"(?: ?(?:{character}|{token}))* ?"
    strict = f"(?: ?(?:{character}|{token}))*"  # no space at the end
    if isinstance(last, specs.ByteLevelPreTokenizer) and len(parts) == 1:
        is_exact = all(isinstance(atom, NORMALIZERS) for atom in atoms)
        if last.add_prefix_space or not last.use_regex or not is_exact:
            return None
        if not context.model_takes_text:
            return None
        expression = _any(refused, lowercase)
        pattern = _gpt2_pattern(inert)
        return FastWords(loose, expression, lowercase, mask, context.template_ids, pattern=pattern)
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
        prefix = last.replacement
        return FastWords(row, expression, lowercase, mask, context.template_ids, prefix=prefix)
    return None


# Pre-tokenizers that drop spaces and cut by what each character is.
BY_CLASS = (specs.BertPreTokenizer, specs.WhitespaceSplit, specs.Whitespace)


def _by_class(
    context: BuildContext,
    pre_tokenizer: specs.Component,
    inert: Sequence[int],
    refused: Sequence[str],
    lowercase: bool,
    mask: specs.AddedToken | None,
) -> FastWords | None:
    """Finds the words between spaces and punctuation.

    Args:
        inert: code points that the normalizer leaves alone.
        refused: texts that keep a row from being fast.
    """
    rust = context.tokenizer
    normalize = rust.normalizer.normalize_str if rust.normalizer else str
    split = rust.pre_tokenizer.pre_tokenize_str
    spaces = [
        ord(c)
        for c in ASCII_SPACES
        if [word for word, _ in split(normalize(f"x{c}x"))] == ["x", "x"]
    ]
    tokens = "".join([*refused, mask.content if mask else ""])
    if any(c.isspace() for c in tokens):  # a space that becomes another may make one of them
        spaces = [c for c in spaces if normalize(f"x{chr(c)}x") == f"x{chr(c)}x"]
    classes = np.asarray(by_class.probe_classes(pre_tokenizer.to_json()))
    kept = [c for c in inert if classes[c] != by_class.REMOVED]
    isolated = [c for c in kept if classes[c] == by_class.ISOLATED]
    run = "+" if isinstance(pre_tokenizer, specs.Whitespace) else ""  # signs stay together
    token = f"|{literal(mask.content)}" if mask else ""
    return FastWords(
        f"(?:{character_class([*kept, *spaces])}{token})*",
        _any(refused, lowercase),
        lowercase,
        mask,
        context.template_ids,
        apart=character_class(isolated) + run if isolated else "",
    )


def _candidates() -> list[int]:
    return [
        c
        for first, end in CANDIDATES
        for c in range(first, end)
        if unicodedata.category(chr(c))[0] in CATEGORIES
    ]


def _small(c: int, lowercase: bool) -> str:
    return chr(c).lower() if lowercase and c < 0x80 else chr(c)


def _gpt2_pattern(inert: Sequence[int]) -> str:
    letters, numbers = set(rust_class(r"\p{L}").tolist()), set(rust_class(r"\p{N}").tolist())
    classes = (
        [c for c in inert if c in letters],
        [c for c in inert if c in numbers],
        [c for c in inert if c not in letters and c not in numbers],
    )
    runs = (f" ?{character_class(members)}+" for members in classes if members)
    return "|".join([*(f"'{suffix}" for suffix in CONTRACTIONS), *runs, " "])


def _any(texts: Sequence[str], lowercase: bool) -> str:
    expression = "|".join(map(literal, texts))
    return f"(?i:{expression})" if expression and lowercase else expression
