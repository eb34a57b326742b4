"""`prepare_dataset`: masked batches for anyone's Keras `fit` script."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import tensorflow as tf

from tfmlm.checkpoint.limits import vocabulary_size
from tfmlm.checkpoint.unwrapped import unwrapped
from tfmlm.config import MaskingConfig
from tfmlm.data.blocks import build_blocks
from tfmlm.data.corpus import Corpus
from tfmlm.data.inputs import open_input
from tfmlm.data.masking import Masker
from tfmlm.data.packing import CONTINUES, PADDING, TYPE_SHIFT, Vocabulary, require_fast
from tfmlm.data.pipeline import Padder, features_of
from tfmlm.errors import UserError


def prepare_dataset(
    model: Any,
    tokenizer: Any,
    dataset: Any,
    *,
    batch_size: int = 8,
    max_length: int | None = None,
    text_column: str | None = None,
    line_by_line: bool = False,
    shuffle: bool = True,
    seed: int = 42,
    masking: MaskingConfig | None = None,
    fixed_masks: bool | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Masked batches for `model.fit`, through `model.prepare_tf_dataset`.

    The masks are made in the data graph: new in each epoch for training, the same in each epoch
    for evaluation, the same in each run in both cases.

    Args:
        model: a TF masked LM of transformers, or what wraps one.
        tokenizer: its fast tokenizer.
        dataset: raw text as people have it (a `datasets.Dataset` or a column of one, a list or
            generator of texts, a pandas Series or DataFrame, an array, a `tf.data.Dataset` of
            strings, the path of a file, …: `tfmlm.data.inputs`), or a tokenized
            `datasets.Dataset`, or dict, with `input_ids`, special tokens included.
        batch_size: rows of a batch; with a distribution strategy, of all replicas together.
        max_length: tokens of a block, special tokens included (raw text; default 128).
        text_column: column with the text; dotted for nested columns, whose lists are joined.
        line_by_line: one sequence a text, padded to the longest of the batch, instead of blocks.
        shuffle: new order in each epoch.
        seed: determines masks and order.
        masking: rates and kind of masking (default: BERT's).
        fixed_masks: the same masks in each epoch (default: if not shuffled).
        drop_remainder: leave out the last, smaller batch.

    Returns:
        Data set of (features, labels): features `input_ids`, `attention_mask` and, where the model
        takes them, `token_type_ids`, int32 [batch, tokens]; labels int32 [batch, tokens], −100
        where nothing is to be predicted, as transformers' own loss expects.

    Raises:
        UserError: a slow tokenizer, no mask token, no text in the data set; a row that is no text
            (None, NaN, a number), by its number; a dict of splits, of which one is to be given.
    """
    require_fast(tokenizer)
    model = unwrapped(model)
    masking = masking or MaskingConfig()
    words = masking.whole_word_mask or masking.span_masking
    length = max_length or 128
    found = open_input(dataset, text_column)
    if isinstance(found, datasets.Dataset):
        packed, length = _pack_tokenized(found, tokenizer, words)
        line_by_line = True
    else:
        packed = _pack_texts(found, tokenizer, length, line_by_line, words)
    vocabulary = Vocabulary.of(tokenizer, vocabulary_size(model.config))
    padder = Padder(vocabulary.pad_id, None if line_by_line else length)
    rows = _Shuffled(packed, seed) if shuffle else packed
    batches = model.prepare_tf_dataset(
        rows,
        batch_size=batch_size,
        shuffle=False,
        collate_fn=padder,
        drop_remainder=drop_remainder,
        prefetch=False,
    )
    padder.probing = False
    if isinstance(rows, _Shuffled):
        rows.begin()
    masker = Masker(masking, vocabulary, seed, length)
    to_features = features_of(model, tokenizer)
    fixed = not shuffle if fixed_masks is None else fixed_masks
    # Dataset.random draws other numbers each time it is iterated, unless told not to.
    epochs = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=not fixed).take(1)

    def mask(item: tuple[tf.Tensor, Any], epoch: tf.Tensor) -> tuple[Any, tf.Tensor]:
        index, batch = item
        ids = batch["input_ids"] if isinstance(batch, dict) else batch
        tokens, labels = masker(ids, index * batch_size, epoch)
        return to_features(tokens), labels

    zipped = tf.data.Dataset.zip((batches.enumerate(), epochs.repeat()))
    zipped = zipped.map(mask, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    zipped = zipped.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return zipped.prefetch(tf.data.AUTOTUNE)


class _Shuffled(datasets.Dataset):
    """A data set in an order of its own each time it is read from its first row on.

    `prepare_tf_dataset(shuffle=True)` has the same order in each epoch once TensorFlow's global
    seed is set, and another one in each run otherwise.
    """

    def __init__(self, dataset: datasets.Dataset, seed: int) -> None:
        plain = dataset.with_format("numpy")
        super().__init__(
            plain.data, info=plain.info, split=plain.split, fingerprint=plain._fingerprint
        )
        self.set_format("numpy")
        self._rows = plain
        self._seed = seed
        self._epoch = -1
        self._order = np.arange(len(plain))
        self._counting = False

    def begin(self) -> None:
        """From now on the first row begins a new epoch."""
        self._counting = True

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            key = range(*key.indices(len(self)))
        places = np.atleast_1d(np.asarray(key, np.int64))
        if self._counting and len(places) and places[0] == 0:
            self._epoch += 1
            self._order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self))
        return self._rows[self._order[places]]


def _pack_texts(
    corpus: Corpus, tokenizer: Any, length: int, line_by_line: bool, words: bool
) -> Any:
    blocks = build_blocks(corpus, tokenizer, length, line_by_line=line_by_line, words=words)
    return blocks.dataset


def _pack_tokenized(dataset: Any, tokenizer: Any, words: bool) -> tuple[Any, int]:
    """Packs the columns of a tokenized data set; returns it and its longest row's length."""
    columns = dataset.column_names
    if words and "word_ids" not in columns:
        raise UserError(
            "whole-word and span masking need raw text, or a column word_ids beside input_ids"
        )

    def pack(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows = []
        for number, ids in enumerate(batch["input_ids"]):
            packed = list(ids)
            for place in range(len(packed)):
                if "token_type_ids" in batch:
                    packed[place] |= batch["token_type_ids"][number][place] << TYPE_SHIFT
                if "attention_mask" in batch and not batch["attention_mask"][number][place]:
                    packed[place] |= PADDING
                if words and place:
                    here, before = batch["word_ids"][number][place - 1 : place + 1][::-1]
                    if here is not None and here == before:
                        packed[place] |= CONTINUES
            rows.append(packed)
        return {"packed": rows, "length": [len(row) for row in rows]}

    packed = dataset.map(pack, batched=True, remove_columns=columns)
    longest = max(packed["length"], default=0)
    if not longest:
        raise UserError("the tokenized data set is empty")
    return packed.remove_columns("length").rename_column("packed", "input_ids"), longest
