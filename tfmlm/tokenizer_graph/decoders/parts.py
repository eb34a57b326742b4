"""What each decoder of `tokenizer.json` does: to single tokens, between them, or to joined text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.component import BuildContext
from tfmlm.tokenizer_graph.decoders.strings import re2_literal, replace_all
from tfmlm.tokenizer_graph.registry import builds


@dataclass(frozen=True)
class Part:
    """One decoder.

    Attributes:
        spec: its settings.
        joins: whether it acts across tokens.
        edit: what it does to text that is joined, tf.string [batch] -> tf.string [batch].
    """

    spec: specs.Component
    joins: bool
    edit: Callable[[tf.Tensor], tf.Tensor]


def _unchanged(texts: tf.Tensor) -> tf.Tensor:
    """tf.string [m], the same."""
    return texts


@builds(specs.WordPieceDecoder, specs.MetaspaceDecoder, specs.BPEDecoder)
def by_token(spec: specs.Component, context: BuildContext) -> list[Part]:
    """Treats each token by itself, which `pieces.py` asks from Rust; never behind a joining one."""
    return [Part(spec, False, _unchanged)]


@builds(specs.ByteLevelDecoder, specs.ByteFallback, specs.Fuse)
def joining(spec: specs.Component, context: BuildContext) -> list[Part]:
    """Joins tokens. Behind another of them it finds one token without a byte's spelling."""
    return [Part(spec, True, _unchanged)]


@builds(specs.ReplaceDecoder)
def replace(spec: specs.ReplaceDecoder, context: BuildContext) -> list[Part]:
    """Replaces a literal."""
    return [Part(spec, False, lambda texts: replace_all(texts, spec.pattern.text, spec.content))]


@builds(specs.StripDecoder)
def strip(spec: specs.StripDecoder, context: BuildContext) -> list[Part]:
    """Takes a character away from the two ends, at most so many times."""
    content = re2_literal(spec.content)
    patterns = [
        pattern
        for count, pattern in (
            (spec.start, rf"\A(?:{content}){{0,{spec.start}}}"),
            (spec.stop, rf"(?:{content}){{0,{spec.stop}}}\z"),
        )
        if count
    ]

    def edit(texts: tf.Tensor) -> tf.Tensor:
        for pattern in patterns:
            texts = tf.strings.regex_replace(texts, pattern, "", replace_global=False)
        return texts

    return [Part(spec, False, edit)]


@builds(specs.DecoderSequence)
def sequence(spec: specs.DecoderSequence, context: BuildContext) -> list[Part]:
    """The parts of a sequence."""
    return [part for child in spec.decoders for part in registry.builder(child)(child, context)]
