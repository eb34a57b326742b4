"""Which component compiles which part of `tokenizer.json`, and the seams between components.

A component is described by a frozen dataclass in `spec/` (parsed and checked without
TensorFlow) and compiled by the module that the table `BUILDERS` names. That module has a function

    build(spec, context: BuildContext) -> component

**The stream.** A batch of texts is one flat vector of code points, `int32 [n]`. Values from
`GAP` upwards are not characters but *barriers*, which no component may join across:

- `GAP` (0x110000): a delimiter that was removed. It separates words and has no id.
- `ROW` (0x110001): the end of a row. Every row ends with exactly one.
- `ADDED + k` (0x110002 + k): the added token number k of the spec, already matched.

A *segment* is a longest run of code points between two barriers. Segments are never empty by
construction, as in the Rust library, which drops empty ones. Components must give back barriers
as they came, in the same order, and must work on an empty vector.

**Normalizer**: `component(codepoints: int32 [n]) -> int32 [m]`. It works on every segment by
itself: start of text = start of the segment. It may be called with a stream that holds `ROW`
and `ADDED` barriers, never `GAP`.

**Pre-tokenizer**: `component(codepoints: int32 [n], starts: bool [n]) -> (int32 [m], bool [m])`.
`starts[i]` is true where a word starts. A barrier always ends a word: what follows a barrier
starts a word whether it is flagged or not, and flags on barriers mean nothing. A removed
delimiter becomes `GAP`. A component splits words further and never joins them.
A word that is the first of its row and has lost nothing at its front follows a `ROW` barrier (or
stands at index 0); everything else follows another barrier or character.

**Model**: a `tf.Module` with
`component(codepoints: int32 [n], word_splits: int64 [words + 1]) -> (ids: int32 [m],
id_splits: int64 [words + 1])`: the words after all mapping by the pre-tokenizer (but see
`BuildContext.model_takes_text`), without barriers; no word is empty, but there may be no words at
all (`n == 0`, `word_splits == [0]`).

**Post-processor**: pure Python, see `post_processors/template.py`: prefix, middle and suffix ids.

**Decoder**: see `decoders/__init__.py`.

Rules for all: tables are NumPy arrays turned into eager constants when the component is built
(`ops/tables.py`), never inside a call, so that several signatures share them; calls use ops of
TensorFlow 2.12's core only, keep no Python state, and never assert on content.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from tfmlm.tokenizer_graph import spec as specs

GAP = 0x110000
ROW = 0x110001
ADDED = 0x110002

_PACKAGE = "tfmlm.tokenizer_graph"


@dataclass(frozen=True)
class BuildContext:
    """What a component may look at while it is built.

    Attributes:
        spec: the whole tokenizer.
        tokenizer: the Rust tokenizer built from the same JSON, to probe.
        marks: strings, not UTF-8, by which BPE and Unigram are given ids (`paths/strings.py`).
    """

    spec: specs.TokenizerSpec
    tokenizer: Tokenizer
    marks: Mapping[bytes, int] = field(default_factory=dict)

    @property
    def model_takes_text(self) -> bool:
        """Whether words stay text up to the model, which spells them in the byte alphabet.

        So it is where ByteLevel is the last pre-tokenizer before BPE.
        """
        parts = specs.atoms(self.spec.pre_tokenizer)
        return (
            bool(parts)
            and isinstance(parts[-1], specs.ByteLevelPreTokenizer)
            and isinstance(self.spec.model, specs.BPE)
        )


# spec class -> module with `build`. Kept equal to the table in docs/tokenizers.md by a test.
BUILDERS: dict[type, str] = {}


def register(spec_class: type, module: str) -> None:
    """Names the module that compiles `spec_class`.

    Raises:
        ValueError: the class has a module already.
    """
    if spec_class in BUILDERS:
        raise ValueError(f"{spec_class.__name__} is registered already: {BUILDERS[spec_class]}")
    BUILDERS[spec_class] = f"{_PACKAGE}.{module}"


def builder(spec: Any) -> Callable[..., Any]:
    """The `build` function for a component's spec."""
    return importlib.import_module(BUILDERS[type(spec)]).build


for _class, _module in (
    (specs.NormalizerSequence, "normalizers.sequence"),
    (specs.BertNormalizer, "normalizers.bert"),
    (specs.NFC, "normalizers.nfc"),
    (specs.NFD, "normalizers.nfd"),
    (specs.NFKC, "normalizers.nfkc"),
    (specs.NFKD, "normalizers.nfkd"),
    (specs.Nmt, "normalizers.nmt"),
    (specs.Lowercase, "normalizers.lowercase"),
    (specs.StripAccents, "normalizers.strip_accents"),
    (specs.StripNormalizer, "normalizers.strip"),
    (specs.ReplaceNormalizer, "normalizers.replace"),
    (specs.Prepend, "normalizers.prepend"),
    (specs.Precompiled, "normalizers.precompiled"),
    (specs.ByteLevelNormalizer, "normalizers.byte_level"),
    (specs.PreTokenizerSequence, "pre_tokenizers.sequence"),
    (specs.BertPreTokenizer, "pre_tokenizers.bert"),
    (specs.Whitespace, "pre_tokenizers.whitespace"),
    (specs.WhitespaceSplit, "pre_tokenizers.whitespace_split"),
    (specs.Punctuation, "pre_tokenizers.punctuation"),
    (specs.Digits, "pre_tokenizers.digits"),
    (specs.ByteLevelPreTokenizer, "pre_tokenizers.byte_level"),
    (specs.MetaspacePreTokenizer, "pre_tokenizers.metaspace"),
    (specs.CharDelimiterSplit, "pre_tokenizers.char_delimiter_split"),
    (specs.Split, "pre_tokenizers.split"),
    (specs.WordPiece, "models.wordpiece"),
    (specs.WordLevel, "models.wordlevel"),
    (specs.BPE, "models.bpe"),
    (specs.Unigram, "models.unigram"),
):
    register(_class, _module)
