"""What a post-processor adds, asked from the Rust library: ids before, between and behind.

Pure Python. Truncation and padding follow `TruncationStrategy::LongestFirst`,
https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/utils/truncation.rs
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tokenizers import Encoding, Tokenizer
from tokenizers.models import WordLevel

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import BuildContext

_WORDS = ("a", "b")


@dataclass(frozen=True)
class Template:
    """Special tokens around one text or two.

    Attributes:
        fixed: ids before the first text, after it, and after the second (for one text two lists).
        fixed_types: `token_type_ids` of the same.
        text_types: `token_type_ids` of each text's tokens.
    """

    fixed: tuple[tuple[int, ...], ...]
    fixed_types: tuple[tuple[int, ...], ...]
    text_types: tuple[int, ...]

    @property
    def added(self) -> int:
        """How many special tokens are added."""
        return sum(map(len, self.fixed))


def probe_templates(context: BuildContext) -> tuple[Template, Template]:
    """The templates for a single text and for a pair.

    Raises:
        UnsupportedTokenizerError: as `template_of`.
    """
    post_processor = context.tokenizer.post_processor
    return template_of(post_processor, 1), template_of(post_processor, 2)


def template_of(post_processor: Any, texts: int) -> Template:
    """What a Rust post-processor (None: nothing) puts around one text or two.

    It is asked in a tokenizer of two words, so that nothing depends on what the real one makes of
    a sample: post-processors hold the ids of their special tokens themselves.

    Raises:
        UnsupportedTokenizerError: a text is left out, doubled, or comes in another order.
    """
    probe = Tokenizer(WordLevel({word: number for number, word in enumerate(_WORDS)}))
    if post_processor is not None:
        probe.post_processor = post_processor
    found = [_template(probe.encode(*[word] * texts), texts) for word in _WORDS]
    if found[0] != found[1]:  # a text's own token where only special tokens should be
        raise UnsupportedTokenizerError("post_processor", "a template that doubles a text")
    return found[0]


def _template(encoding: Encoding, texts: int) -> Template:
    fixed: list[tuple[int, ...]] = [()]
    fixed_types: list[tuple[int, ...]] = [()]
    text_types: list[int] = []
    expected = 0
    rows = zip(encoding.sequence_ids, encoding.ids, encoding.type_ids, strict=True)
    for sequence, group in groupby(rows, key=lambda row: row[0]):
        items = list(group)
        if sequence is None:
            fixed[-1] = tuple(number for _, number, _ in items)
            fixed_types[-1] = tuple(kind for _, _, kind in items)
            continue
        if sequence != expected or len(items) != 1:
            raise UnsupportedTokenizerError("post_processor", "a template with texts out of order")
        expected += 1
        text_types.append(items[0][2])
        fixed.append(())
        fixed_types.append(())
    if expected != texts:
        raise UnsupportedTokenizerError("post_processor", "a template that leaves a text out")
    return Template(tuple(fixed), tuple(fixed_types), tuple(text_types))
