"""`trim_offsets`: offsets without the whitespace at the two ends of a token.

https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/pre_tokenizers/byte_level.rs
(`process_offsets`)
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.component import BuildContext, Tokens
from tfmlm.tokenizer_graph.ops.byte_alphabet import byte_characters
from tfmlm.tokenizer_graph.ops.regex import rust_class
from tfmlm.tokenizer_graph.ops.shift import kept
from tfmlm.tokenizer_graph.ops.tables import constant


class Trim(tf.Module):
    """What a tokenizer's post-processors do to offsets, one after the other."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        post_processor = context.spec.post_processor
        self._steps = [] if post_processor is None else list(_trimming(post_processor))
        self._by_text = isinstance(context.spec.model, (specs.Unigram, specs.WordLevel))
        self._context = context

    @functools.cached_property
    def _counts(self) -> tf.Tensor | np.ndarray:
        """Whitespace before, and behind, the text of each id, and if it is all: int64 [ids, 3]."""
        context = self._context
        space = "".join(map(chr, [byte_characters()[0x20], *rust_class(r"\s").tolist()]))
        rust = context.tokenizer
        vocab = rust.get_vocab()
        normalize = rust.normalizer.normalize_str if rust.normalizer else str
        texts = {number: token for token, number in vocab.items()}
        for added in context.spec.added_tokens:
            texts[added.id] = normalize(added.content) if added.normalized else added.content
        counts = np.zeros((max(texts) + 1, 3), np.int64)
        for number, text in texts.items():
            leading = len(text) - len(text.lstrip(space))
            trailing = len(text) - len(text.rstrip(space))
            counts[number] = [leading, trailing, leading == len(text)]
        return constant(counts)

    def __call__(self, tokens: Tokens, offsets: tf.Tensor, stripped: tf.Tensor) -> tf.Tensor:
        """Offsets of rows, int64 [m, 2] -> int64 [m, 2].

        Args:
            stripped: int64 [m, 2], whitespace that an added token took before and behind its text.

        Raises:
            UnsupportedTokenizerError: the model's unknown tokens have no fixed text.
        """
        if self._steps and self._by_text:
            raise UnsupportedTokenizerError(
                "post_processor.trim_offsets",
                "offsets of Unigram or WordLevel, whose unknown tokens are trimmed by their text",
                "trim_offsets false, or ids without offsets",
            )
        for add_prefix_space in self._steps:
            offsets = self._trimmed(tokens, offsets, stripped, add_prefix_space)
        return offsets

    def _trimmed(
        self, tokens: Tokens, offsets: tf.Tensor, stripped: tf.Tensor, add_prefix_space: bool
    ) -> tf.Tensor:
        """One step of `__call__`: int64 [m, 2] -> int64 [m, 2]."""
        leading, trailing, is_space = tf.unstack(tf.gather(self._counts, tokens.ids), axis=1)
        before, behind = tf.unstack(stripped, axis=1)
        leading += before + is_space * behind
        trailing += behind + is_space * before
        start, end = tf.unstack(offsets, axis=1)
        if add_prefix_space:  # the space that was put before the text is none of its own
            count = tf.size(tokens.ids, tf.int64)
            first = kept(tokens.splits[:-1], tokens.splits[:-1] < tokens.splits[1:])
            is_first = tf.scatter_nd(first[:, tf.newaxis], tf.ones_like(first), count[tf.newaxis])
            is_first = tf.logical_or(is_first > 0, tf.equal(start, 0))
            leading = tf.where(is_first & tf.equal(leading, 1), 0, leading)
        start = tf.where(leading > 0, tf.minimum(start + leading, end), start)
        shorter = tf.logical_and(trailing > 0, end >= trailing)
        end = tf.where(shorter, tf.maximum(end - trailing, start), end)
        return tf.stack([start, end], 1)


def _trimming(spec: specs.Component) -> Iterator[bool]:
    """`add_prefix_space` of each post-processor that trims."""
    if isinstance(spec, specs.PostProcessorSequence):
        for child in spec.processors:
            yield from _trimming(child)
        return
    kinds = specs.RobertaProcessing | specs.ByteLevelPostProcessor
    if isinstance(spec, kinds) and spec.trim_offsets:
        yield spec.add_prefix_space
