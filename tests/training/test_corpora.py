"""Settings open the texts that they name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfmlm.config import CorpusConfig, EvaluateConfig
from tfmlm.errors import UserError
from tfmlm.training.corpora import open_corpora, open_evaluation_corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "b.txt").write_text("three\n")
    (tmp_path / "c.csv").write_text("body;n\nsix;1\nseven;2\neight;3\n")
    (tmp_path / "held.csv").write_text("n;body\n1;four\n2;five\n")
    return tmp_path


def test_files_of_training_and_validation(folder: Path) -> None:
    corpora = open_corpora(CorpusConfig(train_file=(f"{folder}/?.txt",)))
    assert list(corpora.train.texts()) == ["one", "two", "three"]
    assert corpora.validation is None
    corpora = open_corpora(
        CorpusConfig(
            train_file=(f"{folder}/c.csv",),
            validation_file=(f"{folder}/held.csv",),
            text_column="body",
            delimiter=";",
            max_train_samples=2,
        )
    )
    assert list(corpora.train.texts()) == ["six", "seven"]
    assert corpora.validation is not None
    assert list(corpora.validation.texts()) == ["four", "five"]


def test_evaluation_reads_the_column(folder: Path) -> None:
    settings = {"model_name_or_path": "m", "validation_file": [f"{folder}/held.csv"]}
    config = EvaluateConfig.from_dict({**settings, "text_column": "n", "delimiter": ";"})
    assert list(open_evaluation_corpus(config).texts()) == ["1", "2"]
    config = EvaluateConfig.from_dict({**settings, "text_column": "title"})
    with pytest.raises(UserError, match="title"):
        open_evaluation_corpus(config)


def test_a_wrong_validation_column_shows_before_anything_is_done(folder: Path) -> None:
    config = CorpusConfig(
        train_file=(f"{folder}/c.csv",),
        validation_file=(f"{folder}/held.csv",),
        text_column="body",
    )
    (folder / "held.csv").write_text("n;title\n1;four\n")
    with pytest.raises(UserError, match=r"held\.csv.*body"):
        open_corpora(config)


@pytest.mark.parametrize(("percentage", "own"), [(5.0, ["c"]), (0.0, None)])
def test_a_data_sets_own_validation_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, percentage: float, own: list[str] | None
) -> None:
    for split, texts in {"train": ["a", "b"], "validation": ["c"]}.items():
        lines = [json.dumps({"text": text}) for text in texts]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    config = CorpusConfig(dataset_name=str(tmp_path), validation_split_percentage=percentage)
    corpora = open_corpora(config)
    assert list(corpora.train.texts()) == ["a", "b"]
    found = corpora.validation
    assert (None if found is None else list(found.texts())) == own
