"""What the examples use where no model and no text is named: all of it is made on the spot.

The text is Python's own documentation; the model is a small one trained on it for some seconds,
kept in the folder `tfmlm-examples` for the next example. Name a model of the Hub instead, and the
examples do the same with it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
from pathlib import Path

import tfmlm  # noqa: F401  (first: it selects Keras 2, which transformers needs)
from tfmlm.config import TrainConfig
from tfmlm.demo.corpus import python_documentation

FOLDER = Path("tfmlm-examples")
_TOKENIZERS = {"bert": "wordpiece", "roberta": "bpe"}


def sentences(count: int, skip: int = 0) -> list[str]:
    """Short paragraphs of Python's documentation."""
    return _short_paragraphs()[skip : skip + count]


@functools.cache
def _short_paragraphs() -> list[str]:
    short = [p for p in python_documentation() if 40 < len(p) < 220]
    return short[:: max(len(short) // 5000, 1)]


def text_file(name: str, count: int, skip: int = 0) -> str:
    """A text file of these, a paragraph a line."""
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(sentences(count, skip)) + "\n", encoding="utf-8")
    return str(path)


def questions_and_answers(count: int = 200) -> str:
    """A JSON file of records shaped like ELI5's: a title, and `answers` with a list of `text`."""
    paragraphs = sentences(3 * count)
    path = FOLDER / "questions.json"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            texts = paragraphs[3 * number : 3 * number + 3]
            answers = {"a_id": [f"a{number}{i}" for i in range(3)], "text": texts}
            record = {"q_id": f"q{number}", "title": f"Question {number}", "answers": answers}
            file.write(json.dumps(record) + "\n")
    return str(path)


def small_model(model_type: str = "bert", steps: int = 150) -> str:
    """The folder of a small model that is trained now, or was by an earlier example."""
    folder = FOLDER / f"small-{model_type}"
    if not (folder / "model.safetensors").exists():
        from tfmlm.training import run_training

        run_training(
            TrainConfig(
                model_type=model_type,
                train_tokenizer=_TOKENIZERS[model_type],
                vocab_size=1500,
                config_overrides="hidden_size=64,num_hidden_layers=2,num_attention_heads=2,"
                "intermediate_size=128,max_position_embeddings=130,initializer_range=0.05",
                train_file=(text_file("corpus.txt", 2000),),
                line_by_line=True,
                max_seq_length=48,
                per_device_train_batch_size=64,
                learning_rate=3e-3,
                warmup_ratio=0.1,
                max_steps=steps,
                save_steps=0,
                output_dir=str(folder),
            )
        )
    return str(folder)


def antibodies() -> dict[str, str]:
    """Variable domains of eight drugs: residues in one-letter code, by names such as
    `trastuzumab heavy`."""
    text = (Path(__file__).parent / "antibodies.fasta").read_text(encoding="ascii")
    records = (record.split("\n", 1) for record in text.split(">")[1:])
    return {heading.split(",")[0]: lines.replace("\n", "") for heading, lines in records}


def protein_model(steps: int = 100) -> str:
    """The folder of a small model of these chains, trained now or by an earlier example; its tokens
    are residues."""
    from transformers import BertTokenizerFast

    from tfmlm.training import run_training

    folder = FOLDER / "small-protein"
    if (folder / "model.safetensors").exists():
        return str(folder)
    FOLDER.mkdir(exist_ok=True)
    text, vocabulary = FOLDER / "antibodies.txt", FOLDER / "residues.txt"
    text.write_text("".join(f"{' '.join(chain)}\n" for chain in antibodies().values()))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ACDEFGHIKLMNPQRSTVWY"]
    vocabulary.write_text("\n".join(words) + "\n")
    tokenizer = BertTokenizerFast(str(vocabulary), do_lower_case=False, model_max_length=160)
    tokenizer.save_pretrained(FOLDER / "residues")
    run_training(
        TrainConfig(
            model_type="bert",
            tokenizer_name=str(FOLDER / "residues"),
            config_overrides="hidden_size=32,num_hidden_layers=2,num_attention_heads=2,"
            "intermediate_size=64,max_position_embeddings=160,initializer_range=0.05",
            train_file=(str(text),),
            validation_file=(str(text),),
            line_by_line=True,
            max_seq_length=160,
            per_device_train_batch_size=16,
            learning_rate=5e-3,
            warmup_ratio=0.1,
            max_steps=steps,
            save_steps=0,
            output_dir=str(folder),
        )
    )
    return str(folder)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [s.getsockname()[1] for s in sockets]
