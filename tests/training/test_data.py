"""A run's data from its settings: how many steps, which rows, and how often each token occurs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training import small
from tfmlm.config import TrainConfig
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.pipeline import Layout
from tfmlm.errors import UserError
from tfmlm.training.corpora import open_corpora
from tfmlm.training.data import pad_to, prepare_run_data, total_steps


def config(folder: Path, **more: Any) -> TrainConfig:
    settings = {
        "train_file": [str(folder / "corpus.txt")],
        "output_dir": str(folder / "run"),
        "cache_dir": str(folder / "cache"),
        "model_type": "bert",
        "train_tokenizer": "bpe",
        "max_seq_length": small.LENGTH,
    }
    return TrainConfig.from_dict({**settings, **more})


def prepared(config: TrainConfig, layout: Layout) -> Any:
    corpora = open_corpora(config)
    return prepare_run_data(
        config, corpora, small.tokenizer(), small.LENGTH, layout, progress=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small.write_corpus(tmp_path / "corpus.txt")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "fixed"),
    [
        ({}, 32),
        ({"line_by_line": True}, None),
        ({"line_by_line": True, "pad_to_max_length": True}, 32),
    ],
)
def test_only_lines_have_lengths_of_their_own(
    tmp_path: Path, options: dict[str, Any], fixed: int | None
) -> None:
    assert pad_to(config(tmp_path, **options), 32) == fixed


@pytest.mark.parametrize(("full", "growing"), [(1, 0), (4, 0), (4, 10), (3, 7)])
@pytest.mark.parametrize("epochs", [0.01, 0.5, 1.0, 2.3])
def test_steps_take_the_epochs_rows(tmp_path: Path, full: int, growing: int, epochs: float) -> None:
    """A step takes 1 + ⌊s · (full − 1) / steps⌋ micro-batches while the batch grows."""
    per_epoch = 40
    step, taken = 0, 0
    while taken < epochs * per_epoch * full - 1e-9:
        taken += full if step >= growing else 1 + math.floor(step * (full - 1) / growing)
        step += 1
    settings = config(tmp_path, num_train_epochs=epochs)
    growth = BatchGrowth(full, growing)
    if growing > step:
        with pytest.raises(UserError, match=f"is {growing}, but the run has {step} steps"):
            total_steps(settings, per_epoch, growth)
    else:
        assert total_steps(settings, per_epoch, growth) == step
    assert total_steps(config(tmp_path, max_steps=17), per_epoch, growth) == 17


def test_rows_are_trained_on_or_held_out_and_counted(folder: Path) -> None:
    settings = config(folder, num_train_epochs=2, validation_split_percentage=20)
    data = prepared(settings, Layout(rows=4))
    held = set(data.held_out.rows.tolist())
    every = [row["input_ids"] for row in data.held_out.blocks.dataset]
    trained = [ids for number, ids in enumerate(every) if number not in held]
    assert len(held) == round(0.2 * len(every))
    assert data.samples == len(trained)
    assert data.steps_per_epoch == math.ceil(len(trained) / 4)
    assert data.total_steps == 2 * data.steps_per_epoch
    assert data.epoch_at(data.total_steps) == 2.0
    counts = np.bincount(np.concatenate(trained), minlength=len(small.tokenizer()))
    np.testing.assert_array_equal(data.counts, counts)
    assert data.pad_to == data.length == small.LENGTH
    assert data.read.startswith("Read ") and str(folder / "corpus.txt") in data.read


def test_too_little_text_for_a_block_is_said(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("class\n")
    with pytest.raises(UserError, match=f"too few for one block of {small.LENGTH}"):
        prepared(config(tmp_path), Layout(rows=4))
