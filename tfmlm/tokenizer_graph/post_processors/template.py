"""What a post-processor adds, asked from the Rust library: ids before, between and behind.

Pure Python. Truncation and padding follow `TruncationStrategy::LongestFirst`,
https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/utils/truncation.rs
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from tokenizers import Encoding

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.registry import BuildContext


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
        UnsupportedTokenizerError: a text is left out, doubled, or comes in another order.
    """
    rust = context.tokenizer
    for text in _samples(context):
        if rust.encode(text, add_special_tokens=False).ids:
            return _template(rust.encode(text), 1), _template(rust.encode(text, text), 2)
    raise UnsupportedTokenizerError("model.vocab", "a vocabulary that encodes nothing")


def _samples(context: BuildContext) -> Iterator[str]:
    """Short texts, until one has a token: an empty text says nothing about the order."""
    yield from "aA0L."
    yield from (token.content for token in context.spec.added_tokens)
    yield from context.tokenizer.get_vocab()


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
        kinds = {kind for _, _, kind in items}
        if sequence != expected or len(kinds) != 1:
            raise UnsupportedTokenizerError("post_processor", "a template with texts out of order")
        expected += 1
        text_types.append(kinds.pop())
        fixed.append(())
        fixed_types.append(())
    if expected != texts:
        raise UnsupportedTokenizerError("post_processor", "a template that leaves a text out")
    return Template(tuple(fixed), tuple(fixed_types), tuple(text_types))
