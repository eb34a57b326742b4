"""The stages of a tokenizer, and the seams between them.

A component is described by a frozen dataclass in `spec/` (parsed and checked without
TensorFlow) and compiled by a function in a file of its own under its stage's folder:

    @builds(spec.SomeComponent)
    def build(spec: SomeComponent, context: BuildContext) -> PreTokenizer: ...

**The stream.** A batch of texts is one flat vector of code points, `int32 [n]`. Values from
`GAP` upwards are not characters but *barriers*, which no component may join across:

- `GAP` (0x110000): a delimiter that was removed. It separates words and has no id.
- `ROW` (0x110001): the end of a row. Every row ends with exactly one.
- `ADDED + k` (0x110002 + k): the added token number k of the spec, already matched.

A *segment* is a longest run of code points between two barriers. Segments are never empty by
construction, as in the Rust library, which drops empty ones. Components must give back barriers
as they came, in the same order, and must work on an empty vector.

Rules for all: tables are NumPy arrays turned into eager constants when the component is built
(`ops/tables.py`), never inside a call, so that several signatures share them; calls use ops of
TensorFlow 2.12's core only, keep no Python state, and never assert on content.

**Words used here**

- *code point*: one value of Unicode; *element*: one value of the stream.
- *row*: one text of the batch; *word*: what a pre-tokenizer cuts out of a row; *piece*: an entry of
  a model's vocabulary (WordPiece's and SentencePiece's own word); *token*: an id in the output.
- *added token*: an entry of `added_tokens`, found in the text itself; *special token*: one of those
  that the post-processor puts around texts.
- *fast row*: one whose ids a few string ops can find, without code points (`paths/strings.py`).
- *template*: the ids that the post-processor puts before and behind a text: `[CLS] $A [SEP]`.
- *mark*: a combining mark of Unicode, such as an accent; *mask*: the mask token or its id.
- *source* of an element: the element of the stream before, at which Rust says it stands.
- *probing*: asking the installed Rust library (`probe.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import tensorflow as tf
from tokenizers import Tokenizer

from tfmlm.tokenizer_graph import spec as specs

GAP = 0x110000
ROW = 0x110001
ADDED = 0x110002


class Tokens(NamedTuple):
    """Ids of a batch: int32 [m], and row splits int64 [batch + 1]."""

    ids: tf.Tensor
    splits: tf.Tensor


class Spans(NamedTuple):
    """Tokens with the byte spans of the mask tokens.

    Attributes:
        tokens: ids of the rows, without special tokens.
        span: int64 [masks, 2] for every mask id in `tokens.ids`, in order: first byte and byte
            after the last in the caller's text; (-1, -1) for a mask id that a normalizer made out
            of other characters.
        splits: int64 [batch + 1], rows of `span`.
    """

    tokens: Tokens
    span: tf.Tensor
    splits: tf.Tensor


class Offsets(NamedTuple):
    """Tokens, and from where to where in the caller's text each goes.

    Attributes:
        tokens: ids of the rows, without special tokens.
        characters: int64 [m, 2], first code point and the one behind the last.
        bytes: int64 [m, 2], the same in bytes of UTF-8.
    """

    tokens: Tokens
    characters: tf.Tensor
    bytes: tf.Tensor


class Normalizer(Protocol):
    """Changes the characters of each segment.

    Start of text means start of the segment. The stream may hold `ROW` and `ADDED` barriers,
    never `GAP`.
    """

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m]."""

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As a call; also the source of each element, int64 [m], an index into `stream`.

        It is the element at which the Rust library says that the new one stands.
        """


class PreTokenizer(Protocol):
    """Cuts words.

    A barrier always ends a word: what follows a barrier starts a word whether it is flagged or
    not, and flags on barriers mean nothing. A removed delimiter becomes `GAP`. A pre-tokenizer
    splits words further and never joins them. A word that is the first of its row and has lost
    nothing at its front follows a `ROW` barrier (or stands at index 0); everything else follows
    another barrier or character.
    """

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int32 [n], bool [n] -> int32 [m], bool [m]; a flag is true where a word starts."""

    def with_sources(
        self, stream: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As a call; also the source of each element, int64 [m], an index into `stream`."""


class Model(Protocol):
    """Gives words their ids."""

    def __call__(self, codepoints: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Ids of words.

        Args:
            codepoints: int32 [n], the words after all mapping by the pre-tokenizer (but see
                `BuildContext.model_takes_text`), without barriers.
            splits: int64 [words + 1]; no word is empty, but there may be no words at all.

        Returns:
            ids int32 [m], and the ids of each word: int64 [words + 1].
        """

    #: whether `located` counts UTF-8 bytes, not code points
    counts_bytes: bool

    def located(
        self, codepoints: tf.Tensor, splits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """As a call, with the position of each token.

        Returns:
            ids int32 [m], splits int64 [words + 1], and the first position and the one behind the
            last of each token, int64 [m]: in all words one after the other.

        Raises:
            UnsupportedTokenizerError: the model's settings do not allow it.
        """


class PostProcessor(Protocol):
    """Puts special tokens around texts."""

    def __call__(self, texts: list[Tokens]) -> tuple[Tokens, tf.Tensor | None]:
        """One text's or two texts' tokens -> all tokens, and `token_type_ids` (int32 [m]).

        The latter is `None` where one type is everywhere.
        """


class Decoder(Protocol):
    """Turns ids into texts."""

    def __call__(
        self, ids: tf.Tensor, splits: tf.Tensor, skip_special_tokens: bool, clean_up: bool
    ) -> tf.Tensor:
        """int32 [m] in rows (int64 [batch + 1]) -> tf.string [batch]; unknown ids are left out."""


class Path(Protocol):
    """A way from texts to ids."""

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        """tf.string [batch] -> bool [batch]: the rows for which this way is exact."""

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        """tf.string [batch], rows that match -> ids.

        Args:
            with_special_tokens: add those of a single text.
        """

    def spans(self, texts: tf.Tensor) -> Spans:
        """tf.string [batch], rows that match -> ids without special tokens, and mask spans."""


@dataclass(frozen=True)
class BuildContext:
    """What a component may look at while it is built.

    Attributes:
        spec: the whole tokenizer.
        tokenizer: the Rust tokenizer built from the same JSON, to probe.
        template_ids: ids that the template of a single text has before and behind it.
        special: byte strings, not UTF-8, that stand for ids among words (`paths/strings.py`).
    """

    spec: specs.TokenizerSpec
    tokenizer: Tokenizer
    template_ids: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    special: Mapping[bytes, int] = field(default_factory=dict)

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

    @property
    def mask(self) -> tuple[int, specs.AddedToken] | None:
        """The mask token with its number among the added tokens, if it is one of them."""
        for k, token in enumerate(self.spec.added_tokens):
            if token.content == self.spec.config.mask_token:
                return k, token
        return None
