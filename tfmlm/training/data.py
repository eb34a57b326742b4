"""The data of a run: blocks on disk or a stream, and what it is evaluated on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.checkpoint.limits import id_count
from tfmlm.config import BlockConfig, TrainConfig
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.blocks import Blocks, build_blocks, split_rows
from tfmlm.data.pipeline import EpochOrder, Layout, MaskInStep, masked_batches
from tfmlm.data.streaming import BlockStream, streamed_batches
from tfmlm.errors import UserError
from tfmlm.training.corpora import Corpora
from tfmlm.training.phases import Phases, mask_rate_by_clock, phases_of

#: Steps of a run that the clock ends.
ENDLESS = 2**31


@dataclass(frozen=True)
class HeldOut:
    """What a run is evaluated on: rows of blocks."""

    blocks: Blocks
    rows: np.ndarray


@dataclass(frozen=True)
class RunData:
    """The data of a run.

    Attributes:
        samples: training rows, or None where the number is not known (streaming).
        steps_per_epoch: whole steps of a pass over them; of a stream, of the whole run.
        phases: steps of the run and of its phases; None where the clock ends it.
        checksum: of what determines the training rows.
        counts: how often each token id occurs in them, int64 [vocabulary].
        held_out: what the run is evaluated on, or None.
        batches: by model and first step, the masked batches of this worker.
        mask_in_step: by model, what masks them where their rate follows the clock, else None.
        pad_to: fixed length of the rows, or None to pad to the longest of a batch.
        length: most tokens of a row.
        epoch_at: passes over the data, with a fraction, after so many steps.
        read: one line: how many texts of which column were read.
    """

    samples: int | None
    steps_per_epoch: int
    phases: Phases | None
    checksum: str
    counts: np.ndarray
    held_out: HeldOut | None
    batches: Callable[[Any, int], tf.data.Dataset]
    mask_in_step: Callable[[Any], MaskInStep | None]
    pad_to: int | None
    length: int
    epoch_at: Callable[[int], float]
    read: str

    @property
    def total_steps(self) -> int | None:
        """Steps of the run; None where the clock ends it."""
        return self.phases.total if self.phases else None


def pad_to(config: BlockConfig, length: int) -> int | None:
    """Tokens of every row, or None where rows are as long as the longest of their batch."""
    return None if config.lengths_differ else length


def prepare_run_data(
    config: TrainConfig,
    corpora: Corpora,
    tokenizer: Any,
    length: int,
    layout: Layout,
    progress: bool,
    decay_from: int | None = None,
) -> RunData:
    """Tokenizes what has to be, or opens the stream.

    Args:
        length: tokens of a block, special tokens included.
        layout: this worker's share of a step.
        progress: show progress bars.
        decay_from: step of another run in which this one begins, with its decay.

    Raises:
        UserError: too little text, or too few steps for warm-up and decay.
    """
    fixed = pad_to(config, length)
    words = config.whole_word_mask or config.span_masking

    def blocks_of(corpus: Any) -> Blocks:
        return build_blocks(
            corpus,
            tokenizer,
            length,
            line_by_line=config.line_by_line,
            words=words,
            packing=config.packing,
            cache_dir=config.cache_dir,
            overwrite=config.overwrite_cache,
            progress=progress,
        )

    if config.streaming:
        phases = _phases(config, 1, layout.growth, decay_from)
        return _streamed(config, corpora, tokenizer, length, layout, fixed, phases, blocks_of)
    blocks = blocks_of(corpora.train)
    if not (config.line_by_line or config.packing) and config.max_seq_length and len(blocks) == 1:
        _require_full_block(blocks, corpora.train.name, length)
    if corpora.validation is not None:
        other = blocks_of(corpora.validation)
        rows, held_rows = np.arange(len(blocks)), np.arange(len(other))
    else:
        other = blocks
        rows, held_rows = split_rows(len(blocks), config.validation_split_percentage, config.seed)
    held_rows = held_rows[: config.max_eval_samples]
    lengths = blocks.lengths() if config.group_by_length and config.lengths_differ else None
    order = EpochOrder(rows, layout.global_rows, config.seed, lengths)
    phases = _phases(config, order.steps_per_epoch, layout.growth, decay_from)
    late = mask_rate_by_clock(config) if phases is None else None

    def batches(model: Any, first_step: int) -> tf.data.Dataset:
        return masked_batches(
            model,
            blocks,
            tokenizer=tokenizer,
            masking=config,
            layout=layout,
            order=order,
            steps=phases.total if phases else ENDLESS,
            first_step=first_step,
            seed=config.seed,
            pad_to=fixed,
            rate=phases.mask_rate(config) if phases else None,
            masked=late is None,
        )

    read = f"Read {blocks.reading.sentence(corpora.train.name)}"
    if corpora.validation is not None:
        read += f"; for validation {other.reading.sentence(corpora.validation.name)}"
    return RunData(
        samples=len(rows),
        steps_per_epoch=order.steps_per_epoch,
        phases=phases,
        checksum=blocks.checksum,
        counts=blocks.token_counts(id_count(tokenizer), rows),
        held_out=HeldOut(other, held_rows) if len(held_rows) else None,
        batches=batches,
        mask_in_step=_late_masking(config, tokenizer, length),
        pad_to=fixed,
        length=length,
        epoch_at=_passes(layout, order.steps_per_epoch),
        read=read,
    )


def _streamed(
    config: TrainConfig,
    corpora: Corpora,
    tokenizer: Any,
    length: int,
    layout: Layout,
    fixed: int | None,
    phases: Phases | None,
    blocks_of: Callable[[Any], Blocks],
) -> RunData:
    train, validation = corpora.train, corpora.validation
    held = config.streaming_validation_texts
    if validation is None and held and config.validation_split_percentage > 0:
        validation = replace(train, limit=held)
        train = replace(train, skip=held)
        if next(train.batches(), None) is None:
            raise UserError(
                f"{train.name} has no more than {held} texts, all of which would be kept for "
                "validation; set streaming_validation_texts lower"
            )
    stream = BlockStream(
        train,
        tokenizer,
        length,
        line_by_line=config.line_by_line,
        words=config.whole_word_mask or config.span_masking,
        buffer_size=config.streaming_buffer_size,
        seed=config.seed,
        packing=config.packing,
        group_rows=layout.global_rows if config.group_by_length and not fixed else None,
    )
    held_out = None
    read = f"Reading while training: {corpora.columns.sentence(train.name, counted=False)}"
    if validation is not None:
        blocks = blocks_of(validation)
        read += f"; for validation {blocks.reading.sentence(validation.name)}"
        held_out = HeldOut(blocks, np.arange(len(blocks))[: config.max_eval_samples])

    late = mask_rate_by_clock(config) if phases is None else None

    def batches(model: Any, first_step: int) -> tf.data.Dataset:
        return streamed_batches(
            model,
            stream,
            tokenizer=tokenizer,
            masking=config,
            layout=layout,
            steps=phases.total if phases else ENDLESS,
            first_step=first_step,
            seed=config.seed,
            pad_to=fixed,
            rate=phases.mask_rate(config) if phases else None,
            masked=late is None,
        )

    return RunData(
        samples=None,
        steps_per_epoch=phases.total if phases else ENDLESS,
        phases=phases,
        checksum=f"stream of {train.name}",
        counts=stream.token_counts(id_count(tokenizer)),
        held_out=held_out,
        batches=batches,
        mask_in_step=_late_masking(config, tokenizer, length),
        pad_to=fixed,
        length=length,
        epoch_at=lambda step: step / phases.total if phases else 0.0,
        read=read,
    )


def _late_masking(
    config: TrainConfig, tokenizer: Any, length: int
) -> Callable[[Any], MaskInStep | None]:
    """By model, what masks the batches in the step, where the rate follows the clock."""
    rate = mask_rate_by_clock(config) if config.max_hours else None

    def make(model: Any) -> MaskInStep | None:
        if rate is None:
            return None
        return MaskInStep(model, tokenizer, config, config.seed, length, config.packing, rate)

    return make


def _phases(
    config: TrainConfig, steps_per_epoch: int, growth: BatchGrowth, decay_from: int | None
) -> Phases | None:
    if config.max_hours:
        return None
    return phases_of(config, total_steps(config, steps_per_epoch, growth), decay_from)


def _passes(layout: Layout, steps_per_epoch: int) -> Callable[[int], float]:
    rows = steps_per_epoch * layout.global_rows
    return lambda step: float(layout.first_place(step)) / rows


def _require_full_block(blocks: Blocks, name: str, length: int) -> None:
    room = length - (len(blocks.dataset[0]["input_ids"]) - blocks.tokens)
    if blocks.tokens < room:
        raise UserError(
            f"{name} has {blocks.tokens} tokens, too few for one block of {length}: give more "
            "text, a smaller max_seq_length, or line_by_line"
        )


def total_steps(config: TrainConfig, steps_per_epoch: int, growth: BatchGrowth) -> int:
    """Steps of the run: `max_steps`, or whole and part epochs rounded up.

    Raises:
        UserError: the batch is not whole before the run ends.
    """
    most = config.max_steps
    if most <= 0:
        most = max(1, growth.steps_for(config.num_train_epochs * steps_per_epoch * growth.full))
    if growth.steps > most and not config.decay_from:
        raise UserError(
            f"batch_warmup_steps is {growth.steps}, but the run has {most} steps: lower it, or "
            "leave it out with a smaller batch"
        )
    return most
