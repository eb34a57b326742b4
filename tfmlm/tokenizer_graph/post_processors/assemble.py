"""Putting special tokens around ragged ids, cutting to `max_length`, and padding.

Truncation follows `TruncationStrategy::LongestFirst`:
https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/utils/truncation.rs
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.component import BuildContext, PostProcessor, Tokens
from tfmlm.tokenizer_graph.ops.tables import constant
from tfmlm.tokenizer_graph.post_processors.template import Template, probe_templates
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import (
    BertProcessing,
    ByteLevelPostProcessor,
    Component,
    PostProcessorSequence,
    RobertaProcessing,
    TemplateProcessing,
)


class Assembler(tf.Module):
    """Joins one text's or two texts' tokens with a template's special tokens."""

    def __init__(self, template: Template) -> None:
        super().__init__()
        self.added = template.added
        self._texts = len(template.text_types)
        self._fixed = constant(np.array(sum(template.fixed, ()), np.int32))
        self._fixed_splits = np.cumsum([0, *map(len, template.fixed)])
        self._types = template.text_types
        self._fixed_types = constant(np.array(sum(template.fixed_types, ()), np.int32))
        #: whether `token_type_ids` differ within a row; all are `text_type` if not
        self.needs_types = len({*template.text_types, *sum(template.fixed_types, ())}) > 1
        self.text_type = template.text_types[0]

    def __call__(self, texts: list[Tokens]) -> tuple[Tokens, tf.Tensor | None]:
        """Ragged ids with special tokens, and `token_type_ids` for each (int32 [m]).

        The latter is `None` if all are `text_type`.
        """
        if self.added == 0 and self._texts == 1:
            (tokens,) = texts
            return tokens, None
        values = tf.concat([*(tokens.ids for tokens in texts), self._fixed], 0)
        starts, ends = [], []
        base = tf.zeros([], tf.int64)
        rows = tf.zeros_like(texts[0].splits[1:])
        fixed_base = sum((tf.size(tokens.ids, tf.int64) for tokens in texts), base)
        for number in range(len(texts) + 1):
            low, high = self._fixed_splits[number], self._fixed_splits[number + 1]
            if low < high:
                starts.append(rows + (fixed_base + low))
                ends.append(rows + (fixed_base + high))
            if number < len(texts):
                starts.append(texts[number].splits[:-1] + base)
                ends.append(texts[number].splits[1:] + base)
                base += tf.size(texts[number].ids, tf.int64)
        parts = len(starts)
        flat_starts = tf.reshape(tf.stack(starts, 1), [-1])
        flat_ends = tf.reshape(tf.stack(ends, 1), [-1])
        ranges = tf.raw_ops.RaggedRange(
            starts=flat_starts, limits=flat_ends, deltas=tf.ones_like(flat_starts)
        )
        index = ranges.rt_dense_values
        tokens = Tokens(tf.gather(values, index), ranges.rt_nested_splits[::parts])
        if not self.needs_types:
            return tokens, None
        kinds = [
            tf.fill(tf.shape(tokens.ids), kind)
            for tokens, kind in zip(texts, self._types, strict=True)
        ]
        return tokens, tf.gather(tf.concat([*kinds, self._fixed_types], 0), index)


@builds(
    TemplateProcessing,
    BertProcessing,
    RobertaProcessing,
    ByteLevelPostProcessor,
    PostProcessorSequence,
)
def build(spec: Component, context: BuildContext) -> tuple[PostProcessor, PostProcessor]:
    """Compiles any post-processor: for a single text, and for a pair."""
    single, pair = probe_templates(context)
    return Assembler(single), Assembler(pair)


def truncate(texts: list[Tokens], room: tf.Tensor, side: str) -> list[Tokens]:
    """Cuts the texts of each row to `room` tokens together (int64 scalar), the longest first."""
    lengths = [tokens.splits[1:] - tokens.splits[:-1] for tokens in texts]
    if len(texts) == 1:
        kept = [tf.minimum(lengths[0], room)]
    else:
        first, second = lengths
        short, long = tf.minimum(first, second), tf.maximum(first, second)
        long_cut = tf.where(short > room, short, tf.maximum(short, room - short))
        both = short + long_cut > room
        long_kept = tf.where(both, room // 2 + room % 2, long_cut)
        short_kept = tf.where(both, room // 2, short)
        fits = short + long <= room
        swapped = first > second
        kept = [
            tf.where(fits, first, tf.where(swapped, long_kept, short_kept)),
            tf.where(fits, second, tf.where(swapped, short_kept, long_kept)),
        ]
        kept = [tf.minimum(count, length) for count, length in zip(kept, lengths, strict=True)]
    result = []
    for tokens, count, length in zip(texts, kept, lengths, strict=True):
        skipped = length - count if side == "left" else tf.zeros_like(length)
        first_kept = tokens.splits[:-1] + skipped
        ranges = tf.raw_ops.RaggedRange(
            starts=first_kept, limits=first_kept + count, deltas=tf.ones_like(count)
        )
        result.append(
            Tokens(tf.gather(tokens.ids, ranges.rt_dense_values), ranges.rt_nested_splits)
        )
    return result


def pad(
    values: tf.Tensor, splits: tf.Tensor, width: tf.Tensor | None, filler: int, side: str
) -> tf.Tensor:
    """Ragged values int32 [m] -> dense [batch, width], `filler` where a row has no token.

    Without `width` (right side only) it is the longest row's.
    """
    if side == "right":
        unknown = tf.constant(-1, tf.int64)
        shape = [-1, -1] if width is None else tf.stack([unknown, width])
        return tf.raw_ops.RaggedTensorToTensor(
            shape=tf.convert_to_tensor(shape, tf.int64),
            values=values,
            default_value=tf.constant(filler, values.dtype),
            row_partition_tensors=[splits],
            row_partition_types=["ROW_SPLITS"],
        )
    lengths = splits[1:] - splits[:-1]
    column = tf.range(width) - (width - lengths)[:, tf.newaxis]
    index = tf.where(column >= 0, splits[:-1, tf.newaxis] + column, tf.size(values, tf.int64))
    return tf.gather(tf.concat([values, [filler]], 0), index)
