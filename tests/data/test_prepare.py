"""`tfmlm.prepare_dataset`: masked batches from raw or tokenized data for stock Keras `fit`."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
import tensorflow as tf

import tfmlm
from tests.training import small
from tfmlm.config import MaskingConfig
from tfmlm.data.masking import IGNORED
from tfmlm.errors import UserError


@pytest.fixture(scope="module")
def model():
    return small.model(initializer_range=0.02)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def collect(data: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """True ids and labels of all rows, in order (rows of equal length)."""
    ids, labels = [], []
    for features, targets in data:
        targets = targets.numpy()
        ids.append(np.where(targets == IGNORED, features["input_ids"].numpy(), targets))
        labels.append(targets)
    return np.concatenate(ids), np.concatenate(labels)


def _rows(data: tf.data.Dataset) -> list[list[int]]:
    """True ids of the rows of a data set of batches of one."""
    return [
        np.where(labels == IGNORED, features["input_ids"], labels)[0].tolist()
        for features, labels in data
    ]


def prepare(model, dataset=None, **options):
    dataset = list(small.lines()) if dataset is None else dataset
    options = {"batch_size": 8, "max_length": 32, **options}
    return tfmlm.prepare_dataset(model, small.tokenizer(), dataset, **options)


def test_list_of_texts_becomes_blocks_and_none_is_lost(model) -> None:
    data = prepare(model, shuffle=False)
    ids, labels = collect(data)
    assert len(data) == len(list(data)) == -(-len(ids) // 8)
    text = [i for row in ids.tolist() for i in row if i not in (0, 1, 2)]
    expected = small.tokenizer()(list(small.lines()), add_special_tokens=False).input_ids
    assert text == [i for line in expected for i in line]
    assert (labels != IGNORED).any(axis=1).all()


def test_masks_are_new_each_epoch_in_training_and_fixed_in_evaluation(model) -> None:
    train = prepare(model, shuffle=False, fixed_masks=False)
    first, second = collect(train)[1], collect(train)[1]
    assert (first != second).any()
    np.testing.assert_array_equal(
        collect(prepare(model, shuffle=False, fixed_masks=False))[1], first
    )
    evaluation = prepare(model, shuffle=False)
    np.testing.assert_array_equal(collect(evaluation)[1], collect(evaluation)[1])


def test_order_is_new_each_epoch(model) -> None:
    data = prepare(model, drop_remainder=True)
    first, second = collect(data)[0], collect(data)[0]
    assert (first != second).any()
    again = prepare(model, drop_remainder=True)
    np.testing.assert_array_equal(collect(again)[0], first)
    np.testing.assert_array_equal(collect(again)[0], second)
    whole = prepare(model, batch_size=1)
    in_order = prepare(model, batch_size=1, shuffle=False)
    assert sorted(len(r) for r in _rows(whole)) == sorted(len(r) for r in _rows(in_order))
    assert sorted(_rows(whole)) == sorted(_rows(in_order))


def test_raw_data_set_with_a_nested_column_line_by_line(model) -> None:
    rows = [{"answers": {"text": [line, "and more"]}} for line in small.lines()[:30]]
    data = prepare(
        model,
        datasets.Dataset.from_list(rows),
        text_column="answers.text",
        line_by_line=True,
        shuffle=False,
        batch_size=1,
    )
    lengths = {int(features["input_ids"].shape[1]) for features, _ in data}
    assert len(lengths) > 1
    assert sum(len(labels) for _, labels in data) >= 30


def test_tokenized_data_set_keeps_its_rows(model) -> None:
    tokenizer = small.tokenizer()
    lines = list(small.lines()[:20])

    def tokenize(batch):
        encoded = tokenizer(batch["text"], truncation=True, max_length=24)
        words = [encoded.word_ids(i) for i in range(len(batch["text"]))]
        return {"input_ids": encoded.input_ids, "word_ids": words}

    tokenized = datasets.Dataset.from_dict({"text": lines}).map(tokenize, batched=True)
    masking = MaskingConfig(whole_word_mask=True)
    data = prepare(model, tokenized, shuffle=False, masking=masking, batch_size=1)
    for (features, labels), line in zip(data, lines, strict=True):
        ids = np.where(labels == IGNORED, features["input_ids"], labels)[0]
        expected = tokenizer(line, truncation=True, max_length=24)
        assert ids.tolist() == expected.input_ids
        selected = labels.numpy()[0] != IGNORED
        words = expected.word_ids()
        whole = {w for w, s in zip(words, selected, strict=True) if s}
        assert all(s for w, s in zip(words, selected, strict=True) if w in whole)
    with pytest.raises(UserError, match="word_ids"):
        prepare(model, tokenized.remove_columns("word_ids"), masking=masking)


def test_stock_fit_of_transformers_takes_it() -> None:
    model = small.model(initializer_range=0.02)
    optimizer, schedule = tfmlm.create_optimizer(5e-3, 45, num_warmup_steps=3, max_grad_norm=1.0)
    model.compile(optimizer=optimizer)
    history = model.fit(prepare(model, batch_size=16), epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert float(schedule(0)) > 0


def test_slow_tokenizer_is_refused(model, tmp_path: Path) -> None:
    from transformers import BertTokenizer

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    with pytest.raises(UserError, match="slow tokenizer"):
        tfmlm.prepare_dataset(model, BertTokenizer(str(tmp_path / "vocab.txt")), ["text"])
