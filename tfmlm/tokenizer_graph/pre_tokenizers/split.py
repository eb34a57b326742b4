"""Split: at a literal or at the matches of a regular expression, with any behaviour."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, BuildContext, PreTokenizer
from tfmlm.tokenizer_graph.ops.matching import LiteralMatcher
from tfmlm.tokenizer_graph.ops.regex import RegexMatcher, boundaries, rust_class
from tfmlm.tokenizer_graph.pre_tokenizers.by_member import SplitAtMembers
from tfmlm.tokenizer_graph.pre_tokenizers.gpt2_split import GPT2_PATTERN, Gpt2Split
from tfmlm.tokenizer_graph.pre_tokenizers.in_place import InPlace
from tfmlm.tokenizer_graph.pre_tokenizers.split_at import flags_of_spans, split_at
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import Split, patterns


class SplitAtMatches(InPlace):
    """Splits at the matches of a pattern of more than one character."""

    def __init__(self, spec: Split) -> None:
        super().__init__()
        self._behavior, self._invert = spec.behavior, spec.invert
        self._regex: RegexMatcher | None = None
        if spec.pattern.regex:
            self._regex = RegexMatcher(patterns.parse(spec.pattern.text))
        else:
            self._literal = LiteralMatcher([tuple(map(ord, spec.pattern.text))])

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        if self._regex is not None:
            first, last = self._regex(stream, starts)
        else:
            first, last, _ = self._literal(
                stream, self._literal.candidates(stream), boundaries(stream, starts)
            )
        inside, firsts = flags_of_spans(tf.size(stream, tf.int64), first, last)
        return split_at(stream, starts, inside, firsts, self._behavior, self._invert)


class SplitAtPositions(InPlace):
    """Splits where an expression matches the empty string between two characters.

    Such a match has no text that a behaviour could do something to; only where the text *between*
    matches is removed, nothing is left.
    """

    def __init__(self, text: str, removes_all: bool) -> None:
        super().__init__()
        self._regex = RegexMatcher(patterns.parse(text))
        self._removes_all = removes_all

    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `PreTokenizer`."""
        if self._removes_all:
            return tf.where(stream < GAP, GAP, stream), starts
        return stream, tf.logical_or(starts, self._regex.positions(stream, starts))


@builds(Split)
def build(spec: Split, context: BuildContext) -> PreTokenizer:
    """Compiles Split."""
    pattern = spec.pattern
    if not pattern.text or (pattern.regex and patterns.parse(pattern.text).is_position):
        return SplitAtPositions(pattern.text, spec.invert and spec.behavior == "Removed")
    if not pattern.regex and len(pattern.text) == 1:
        return SplitAtMembers(np.array([ord(pattern.text)]), spec.behavior, spec.invert)
    if pattern.regex:
        if pattern.text == GPT2_PATTERN and spec.behavior == "Isolated" and not spec.invert:
            return Gpt2Split()
        single = patterns.single_class(patterns.parse(pattern.text))
        if single is not None:
            return SplitAtMembers(rust_class(single), spec.behavior, spec.invert)
    return SplitAtMatches(spec)
