"""A small RoBERTa and a small BERT that were really trained, and their exports; made once a run."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tfmlm
from tests.shared import made_once
from tfmlm.demo.corpus import python_documentation

#: Two small layers: what a test needs to see words that depend on their neighbours.
ROBERTA = (
    "hidden_size=48,num_hidden_layers=2,num_attention_heads=2,intermediate_size=96,"
    "max_position_embeddings=130,initializer_range=0.05"
)
EXAMPLES = Path(__file__).parents[1] / "examples"


@functools.cache
def scratch() -> Path:
    """A folder for the whole session."""
    folder = Path(tempfile.mkdtemp(prefix="tfmlm-small-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def paragraphs(count: int, start: int = 0) -> list[str]:
    """Short paragraphs of Python's documentation."""
    return _short_paragraphs()[start : start + count]


@functools.cache
def _short_paragraphs() -> list[str]:
    short = [p for p in python_documentation() if 30 < len(p) < 200]
    return short[:: max(len(short) // 4000, 1)]


def roberta() -> Path:
    """A checkpoint folder: byte-level BPE, mask token `<mask>`."""
    return made_once("small-roberta", _train_roberta) / "roberta"


def _train_roberta(folder: Path) -> None:
    from tfmlm.config import TrainConfig
    from tfmlm.training import run_training

    text = folder / "text.txt"
    text.write_text("\n".join(paragraphs(1500)) + "\n", encoding="utf-8")
    run_training(
        TrainConfig(
            model_type="roberta",
            train_tokenizer="bpe",
            vocab_size=800,
            config_overrides=ROBERTA,
            train_file=(str(text),),
            line_by_line=True,
            max_seq_length=48,
            per_device_train_batch_size=64,
            learning_rate=3e-3,
            max_steps=60,
            save_steps=0,
            output_dir=str(folder / "roberta"),
            cache_dir=str(folder / "cache"),
        )
    )


def bert() -> Path:
    """A checkpoint folder: WordPiece, mask token `[MASK]`; made as the examples make theirs."""
    folder = made_once("small-bert", _train_bert)
    (weights,) = folder.rglob("model.safetensors")
    return weights.parent.resolve()


def _train_bert(folder: Path) -> None:
    with _examples_in(folder):
        importlib.import_module("local").small_model("bert", steps=60)


@contextlib.contextmanager
def _examples_in(folder: Path) -> Iterator[None]:
    """The examples' modules can be imported, and what they make goes to `folder`."""
    before = Path.cwd()
    sys.path.insert(0, str(EXAMPLES))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(EXAMPLES))


def protein() -> Path:
    """A checkpoint folder of a BERT whose tokens are residues; made as the examples make theirs."""
    folder = made_once("small-protein", _train_protein)
    return (folder / "tfmlm-examples" / "small-protein").resolve()


def _train_protein(folder: Path) -> None:
    with _examples_in(folder):
        importlib.import_module("local").protein_model(steps=40)


def modernbert() -> Path:
    """A checkpoint folder with random weights, `bert`'s words, and room for 8,192 tokens."""
    return made_once("small-modernbert", _make_modernbert)


def _make_modernbert(folder: Path) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    from tests.small_models import small_model
    from tfmlm.checkpoint.save import save_model

    given = AutoTokenizer.from_pretrained(bert())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=given.backend_tokenizer,
        model_max_length=8192,
        model_input_names=["input_ids", "attention_mask"],
        **given.special_tokens_map,
    )
    save_model(small_model("modernbert", len(tokenizer), max_position_embeddings=8192), folder)
    tokenizer.save_pretrained(folder)


def bert_export() -> Path:
    """The export folder of `bert`, with the version 1."""
    return made_once(
        "small-bert-export", lambda folder: tfmlm.export_saved_model(str(bert()), None, folder)
    )


def roberta_export() -> Path:
    """The export folder of `roberta`, with the version 1."""
    return made_once(
        "small-roberta-export",
        lambda folder: tfmlm.export_saved_model(str(roberta()), None, folder),
    )
