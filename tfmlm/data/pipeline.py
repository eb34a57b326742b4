"""Blocks to masked batches: `prepare_tf_dataset`, then masking in the data graph.

The order of a whole run is a function of (seed, epoch, place): `RowStream` presents it to
`prepare_tf_dataset` as one long data set, of which each worker reads its own places. So a run can
go on from any step, shards are disjoint and complete, and every batch is full: places beyond the
end of an epoch hold a row without any token to predict, which counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import datasets
import numpy as np
import tensorflow as tf

from tfmlm.checkpoint.inputs import takes_token_types
from tfmlm.checkpoint.limits import vocabulary_size
from tfmlm.config import MaskingConfig
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.blocks import Blocks
from tfmlm.data.grouping import grouped
from tfmlm.data.masking import Masker, Unpacked
from tfmlm.data.packing import ID_MASK, PADDING, PackedFrame, Vocabulary, packed_frame

#: The share of the tokens to predict, float32 scalar, in a step (int64 scalar), or when a share of
#: the run's time has gone.
Rate = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Layout:
    """How the rows of a step are spread.

    Attributes:
        workers: processes that train together.
        worker: number of this one.
        replicas: devices of each worker.
        rows: rows a replica takes in one step (all its accumulated batches).
        growth: how many of the accumulated batches a step has; the rest of its rows are empty.
    """

    rows: int
    workers: int = 1
    worker: int = 0
    replicas: int = 1
    growth: BatchGrowth = BatchGrowth()

    @property
    def global_rows(self) -> int:
        """Rows of one whole step over all devices."""
        return self.rows * self.replicas * self.workers

    def rows_taken(self, step: Any) -> Any:
        """Rows of a replica that are not empty in a step: of a tensor [] or an array [n]."""
        return self.growth.taken(step) * (self.rows // self.growth.full)

    def first_place(self, step: Any) -> Any:
        """The run's place of a step's first row: of a tensor [] or an array [n]."""
        return self.growth.before(step) * (self.global_rows // self.growth.full)

    def places(self, local: np.ndarray) -> np.ndarray:
        """The run's places of this worker's rows number `local`; −1 where a row is empty."""
        element, row = np.divmod(local, self.rows)
        step, replica = np.divmod(element, self.replicas)
        taken = self.rows_taken(step)
        place = self.first_place(step) + (self.worker * self.replicas + replica) * taken + row
        return np.where(row < taken, place, -1)


class EpochOrder:
    """The order in which a run reads the rows of its blocks, each once an epoch.

    Args:
        rows: rows to go through in each epoch.
        global_rows: rows of one step; an epoch is rounded up to whole steps.
        seed: determines the order; None keeps the rows' own order.
        lengths: int [blocks], tokens of each row of the blocks, to put rows of similar length into
            a step (see `tfmlm.data.grouping`); None: any rows meet.
    """

    def __init__(
        self,
        rows: np.ndarray,
        global_rows: int,
        seed: int | None,
        lengths: np.ndarray | None = None,
    ) -> None:
        self._rows = rows
        self._seed = seed
        self._lengths = lengths
        self._global_rows = global_rows
        self.steps_per_epoch = -(-len(rows) // global_rows)
        self._places_per_epoch = self.steps_per_epoch * global_rows
        self._permutation = lru_cache(maxsize=2)(self._draw_permutation)

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        """Row numbers at places of the run (int64 [n]), int64 [n]; −1 where an epoch has none, and
        where there is no place (−1)."""
        result = np.full(len(places), -1, np.int64)
        epochs, within = np.divmod(places, self._places_per_epoch)
        for epoch in np.unique(epochs[places >= 0]):
            here = np.flatnonzero((epochs == epoch) & (within < len(self._rows)))
            result[here] = self._permutation(int(epoch))[within[here]]
        return result

    def _draw_permutation(self, epoch: int) -> np.ndarray:
        if self._seed is None:
            return self._rows
        random = np.random.default_rng([self._seed, epoch])
        rows = random.permutation(self._rows)
        if self._lengths is None:
            return rows
        return rows[grouped(self._lengths[rows], self._global_rows, random)]


class RowStream(datasets.Dataset):
    """A view of blocks as the rows that one worker reads over the whole run, in order.

    Args:
        dataset: packed blocks.
        order: the run's order.
        layout: this worker's share.
        steps: steps of the run.
        first_step: steps already done.
        filler: the row that stands where an epoch has none left.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        order: EpochOrder,
        layout: Layout,
        steps: int,
        first_step: int,
        filler: np.ndarray,
    ) -> None:
        plain = dataset.with_format("numpy")
        super().__init__(
            plain.data, info=plain.info, split=plain.split, fingerprint=plain._fingerprint
        )
        self.set_format("numpy")
        self._blocks = plain
        self._order = order
        self._layout = layout
        self._start = first_step * layout.rows * layout.replicas
        self._length = (steps - first_step) * layout.rows * layout.replicas
        self._filler = filler

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            key = range(*key.indices(self._length))
        local = np.atleast_1d(np.asarray(key, np.int64)) + self._start
        rows = self._order.rows_at(self._layout.places(local))
        found = np.flatnonzero(rows >= 0)
        values: list[Any] = [self._filler] * len(rows)
        if len(found):
            for index, value in zip(found, self._read(rows[found]), strict=True):
                values[index] = value
        return {"input_ids": values}

    def _read(self, rows: np.ndarray) -> Sequence[np.ndarray]:
        return self._blocks[rows]["input_ids"]


class Padder:
    """Collates packed rows: pads them to `length`, or to the batch's longest.

    `prepare_tf_dataset` fixes a dimension if a few sampled rows agree in it; while `probing` the
    lengths therefore disagree on purpose, unless the length is fixed.
    """

    def __init__(self, pad_id: int, length: int | None) -> None:
        self._value = pad_id | PADDING
        self._length = length
        self.probing = length is None
        self._calls = 0

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        tokens = [np.asarray(row["input_ids"]) for row in rows]
        length = self._length or max(len(row) for row in tokens)
        if self.probing:
            self._calls += 1
            length += self._calls % 2
        out = np.full((len(tokens), length), self._value, np.int64)
        for row, values in zip(out, tokens, strict=True):
            row[: len(values)] = values
        return {"input_ids": out}


def masked_batches(
    model: Any,
    blocks: Blocks,
    *,
    tokenizer: Any,
    masking: MaskingConfig,
    layout: Layout,
    order: EpochOrder,
    steps: int,
    first_step: int = 0,
    seed: int,
    pad_to: int | None,
    rate: Rate | None = None,
    masked: bool = True,
) -> tf.data.Dataset:
    """The masked batches of one worker for the whole run.

    Args:
        model: a TF masked LM; its `prepare_tf_dataset` makes the pipeline.
        blocks: packed sequences.
        masking: rates and kind of masking.
        layout: this worker's share of a step.
        order: the run's order of rows.
        steps: steps of the whole run.
        first_step: steps already done; the masks of the others do not depend on it.
        seed: determines the masks.
        pad_to: fixed length of the rows, or None to pad to the longest of a batch.
        rate: by step, the share of the tokens to predict; None: `masking.mlm_probability`.
        masked: False for elements that `MaskInStep` masks.

    Returns:
        Data set of (features, labels): features as `features_of`, labels int32 [rows, tokens]
        with −100 where nothing is to be predicted. One element is what a replica takes in a step.
    """
    frame = packed_frame(tokenizer)
    vocabulary = Vocabulary.of(tokenizer, vocabulary_size(model.config))
    stream = RowStream(
        blocks.dataset, order, layout, steps, first_step, filler_row(frame, vocabulary)
    )
    padder = Padder(vocabulary.pad_id, pad_to)
    dataset = model.prepare_tf_dataset(
        stream,
        batch_size=layout.rows,
        shuffle=False,
        collate_fn=padder,
        drop_remainder=True,
        prefetch=False,
    )
    padder.probing = False
    if not masked:
        return to_mask_in_step(dataset, layout, first_step)
    masker = Masker(masking, vocabulary, seed, blocks.max_length)
    return mask_in_graph(
        dataset, masker, layout, first_step, features_of(model, tokenizer, blocks.packing), rate
    )


def mask_in_graph(
    dataset: tf.data.Dataset,
    masker: Masker,
    layout: Layout,
    first_step: int,
    to_features: Callable[[Unpacked], dict[str, tf.Tensor]],
    rate: Rate | None = None,
) -> tf.data.Dataset:
    """Masks a worker's packed batches, one element a replica and step; see `masked_batches`."""
    place = _first_place(layout, first_step)

    def mask(index: tf.Tensor, batch: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        packed = batch["input_ids"] if isinstance(batch, dict) else batch
        step = index // layout.replicas + first_step
        tokens, labels = masker(packed, place(index), probability=rate(step) if rate else None)
        return to_features(tokens), labels

    return (
        dataset.enumerate()
        .map(mask, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def to_mask_in_step(dataset: tf.data.Dataset, layout: Layout, first_step: int) -> tf.data.Dataset:
    """A worker's packed batches, each with the place of its first row, for `MaskInStep`."""
    place = _first_place(layout, first_step)

    def with_place(index: tf.Tensor, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        return (batch["input_ids"] if isinstance(batch, dict) else batch), place(index)

    return dataset.enumerate().map(with_place).prefetch(tf.data.AUTOTUNE)


class MaskInStep:
    """Masks a batch in the training step, which alone knows how much of a run's time has gone.

    Args:
        masking, tokenizer, seed: as for `masked_batches`.
        max_length: most tokens of a row.
        packing: rows hold several texts each.
        rate: by share of the time (float32 scalar), the share of the tokens to predict.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        masking: MaskingConfig,
        seed: int,
        max_length: int,
        packing: bool,
        rate: Rate,
    ) -> None:
        vocabulary = Vocabulary.of(tokenizer, vocabulary_size(model.config))
        self._masker = Masker(masking, vocabulary, seed, max_length)
        self._features = features_of(model, tokenizer, packing)
        self._rate = rate

    def __call__(self, batch: Any, share: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Features and labels as of `masked_batches`.

        Args:
            batch: packed tokens, integer [rows, tokens], and the place of the first row, int64.
            share: of the run's time that has gone, float32 scalar.
        """
        packed, place = batch
        rate = self._rate(tf.convert_to_tensor(share, tf.float32))
        tokens, labels = self._masker(packed, place, probability=rate)
        return self._features(tokens), labels


def _first_place(layout: Layout, first_step: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """By number of an element of a worker's data set: the place of its first row in the run."""

    def place(index: tf.Tensor) -> tf.Tensor:
        step = index // layout.replicas + first_step
        replica = index % layout.replicas + layout.worker * layout.replicas
        return layout.first_place(step) + replica * layout.rows_taken(step)

    return place


def features_of(
    model: Any, tokenizer: Any, packing: bool = False
) -> Callable[[Unpacked], dict[str, tf.Tensor]]:
    """A function from tokens to the model's inputs: those of the tokenizer's that it takes.

    With `packing` there is `document_ids` too, for `tfmlm.checkpoint.masked_positions`.
    """
    types = takes_token_types(model, tokenizer)

    def features(tokens: Unpacked) -> dict[str, tf.Tensor]:
        result = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask}
        if types:
            result["token_type_ids"] = tokens.token_type_ids
        if packing:
            result["document_ids"] = tokens.document_ids
        return result

    return features


def filler_row(frame: PackedFrame, vocabulary: Vocabulary) -> np.ndarray:
    """A packed row of special tokens only, in which nothing is ever masked."""
    row = frame.wrap(np.zeros(0, np.int32))
    if not len(row) or any(i & ID_MASK not in vocabulary.special_ids for i in row):
        row = np.array([vocabulary.mask_id], np.int32)
    return row
