"""The texts of a run: training and validation corpora from its settings."""

from __future__ import annotations

from dataclasses import dataclass

from tfmlm.config import CorpusConfig, EvaluateConfig
from tfmlm.data.corpus import Corpus, DatasetPart, dataset_corpus, files_corpus, load_split
from tfmlm.data.formats.dialect import DelimitedOptions
from tfmlm.data.formats.reading import Reading


@dataclass(frozen=True)
class Corpora:
    """Training texts, and validation texts if they are given apart.

    Attributes:
        columns: the columns of the training texts, and how their files are written.
    """

    train: Corpus
    validation: Corpus | None
    columns: Reading


def open_corpora(config: CorpusConfig) -> Corpora:
    """Opens what the settings name, and reads the first text of each part.

    Raises:
        UserError: something is missing, empty, unreadable, or has no such column.
    """
    column, limit = config.text_column, config.max_train_samples
    options = DelimitedOptions(config.delimiter, config.header)
    validation = None
    if config.validation_file:
        validation = files_corpus(config.validation_file, column, options=options)
    if config.train_file:
        train = files_corpus(config.train_file, column, limit, options)
    else:
        name = config.dataset_name
        assert name is not None
        train = dataset_corpus(
            name,
            config.dataset_config_name,
            config.dataset_split,
            column,
            limit,
            streaming=config.streaming,
        )
        if validation is None and config.validation_split_percentage > 0:
            own = load_split(name, config.dataset_config_name, "validation")
            if own is not None:
                validation = Corpus(
                    f"data set {name} (validation)", (DatasetPart(own, name),), column
                )
    columns = train.require_text()
    if validation is not None:
        validation.require_text()
    return Corpora(train, validation, columns)


def open_evaluation_corpus(config: EvaluateConfig) -> Corpus:
    """The texts to evaluate on.

    Raises:
        UserError: as `open_corpora`.
    """
    if config.validation_file:
        options = DelimitedOptions(config.delimiter, config.header)
        corpus = files_corpus(config.validation_file, config.text_column, options=options)
    else:
        assert config.dataset_name is not None
        corpus = dataset_corpus(
            config.dataset_name,
            config.dataset_config_name,
            config.dataset_split,
            config.text_column,
        )
    corpus.require_text()
    return corpus
