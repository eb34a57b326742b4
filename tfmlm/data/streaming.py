"""Masked batches straight from the corpus, tokenized while the model trains.

For corpora that change too often, or are too large, for a pass over them first. Blocks go through
a shuffle buffer; the order is a function of the seed, so that a resumed run goes on exactly where
it was (it reads and tokenizes the part before again, which is quick beside training on it).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.checkpoint.limits import vocabulary_size
from tfmlm.config import MaskingConfig
from tfmlm.data.blocks import BlockBuilder
from tfmlm.data.corpus import Corpus
from tfmlm.data.grouping import grouped_stream
from tfmlm.data.masking import Masker
from tfmlm.data.packing import Encoder, Vocabulary, packed_frame
from tfmlm.data.pipeline import (
    Layout,
    Padder,
    Rate,
    features_of,
    filler_row,
    mask_in_graph,
    to_mask_in_step,
)
from tfmlm.errors import UserError


class BlockStream:
    """The blocks of a corpus, again and again, shuffled through a buffer.

    Args:
        corpus: the texts.
        tokenizer: a fast tokenizer.
        max_length: length of a block, special tokens included.
        line_by_line: one sequence a text, instead of full blocks.
        words: flag the tokens that continue a word.
        packing: several texts a row.
        buffer_size: blocks in the buffer.
        seed: determines the order.
        group_rows: rows of a step, to put blocks of similar length into it; None: any blocks meet.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Any,
        max_length: int,
        *,
        line_by_line: bool,
        words: bool,
        buffer_size: int,
        seed: int,
        packing: bool = False,
        group_rows: int | None = None,
    ) -> None:
        self.corpus = corpus
        self.max_length = max_length
        self._encoder = Encoder(tokenizer, words)
        self.frame = packed_frame(tokenizer)
        self._line_by_line = line_by_line
        self.packing = packing
        self._buffer_size = buffer_size
        self._seed = seed
        self._group_rows = group_rows

    def in_order(self) -> Iterator[np.ndarray]:
        """The blocks of one pass, packed, as they come."""
        builder = BlockBuilder(
            self._encoder, self.frame, self.max_length, self._line_by_line, self.packing
        )
        for texts in self.corpus.batches():
            yield from builder.add(texts)
        yield from builder.finish()

    def shuffled(self) -> Iterator[np.ndarray]:
        """Blocks without end, each pass in another order.

        Raises:
            UserError: the corpus holds no token.
        """
        if self._group_rows is None:
            return self._passes()
        random = np.random.default_rng([self._seed, 0x6E0])
        return grouped_stream(self._passes(), self._group_rows, random)

    def _passes(self) -> Iterator[np.ndarray]:
        epoch = 0
        while True:
            count = 0
            for block in self._shuffle(np.random.default_rng([self._seed, epoch])):
                count += 1
                yield block
            if not count:
                raise UserError(f"{self.corpus.name} holds no token")
            epoch += 1

    def _shuffle(self, random: np.random.Generator) -> Iterator[np.ndarray]:
        buffer: list[np.ndarray] = []
        for block in self.in_order():
            if len(buffer) < self._buffer_size:
                buffer.append(block)
                continue
            index = int(random.integers(len(buffer)))
            yield buffer[index]
            buffer[index] = block
        for index in random.permutation(len(buffer)):
            yield buffer[index]

    def token_counts(self, vocab_size: int, blocks: int = 2_000) -> np.ndarray:
        """How often each id occurs in the first blocks, int64 [vocab_size]."""
        from tfmlm.data.packing import ID_MASK

        counts = np.zeros(vocab_size, np.int64)
        for block in islice(self.in_order(), blocks):
            counts += np.bincount(block & ID_MASK, minlength=vocab_size)[:vocab_size]
        return counts


def streamed_batches(
    model: Any,
    stream: BlockStream,
    *,
    tokenizer: Any,
    masking: MaskingConfig,
    layout: Layout,
    steps: int,
    first_step: int = 0,
    seed: int,
    pad_to: int | None,
    rate: Rate | None = None,
    masked: bool = True,
) -> tf.data.Dataset:
    """The masked batches of one worker for the whole run; see `pipeline.masked_batches`."""
    vocabulary = Vocabulary.of(tokenizer, vocabulary_size(model.config))
    padder = Padder(vocabulary.pad_id, pad_to)
    padder.probing = False
    filler = filler_row(stream.frame, vocabulary)

    def batches() -> Iterator[np.ndarray]:
        blocks = islice(stream.shuffled(), int(layout.first_place(first_step)), None)
        for step in range(first_step, steps):
            taken = int(layout.rows_taken(step))
            rows = list(islice(blocks, taken * layout.replicas * layout.workers))
            for replica in range(layout.replicas):
                start = (layout.worker * layout.replicas + replica) * taken
                part = rows[start : start + taken] + [filler] * (layout.rows - taken)
                yield padder([{"input_ids": row} for row in part])["input_ids"]

    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=tf.TensorSpec([layout.rows, pad_to], tf.int64)
    )
    if not masked:
        return to_mask_in_step(dataset, layout, first_step)
    masker = Masker(masking, vocabulary, seed, stream.max_length)
    return mask_in_graph(
        dataset, masker, layout, first_step, features_of(model, tokenizer, stream.packing), rate
    )
