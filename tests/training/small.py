"""A small corpus, tokenizer, blocks and model for the tests of training."""

from __future__ import annotations

import functools
import os
import pydoc_data.topics
import socket
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tfmlm  # noqa: E402, F401  (before TensorFlow)

LENGTH = 32
OVERRIDES = (
    "hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=64,"
    "max_position_embeddings=64"
)


@functools.lru_cache
def lines() -> tuple[str, ...]:
    """Lines of Python's documentation."""
    text = "\n".join(pydoc_data.topics.topics[name] for name in ("assignment", "class", "import"))
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def write_corpus(path: Path) -> Path:
    """Writes the lines as a text file."""
    path.write_text("\n".join(lines()) + "\n", encoding="utf-8")
    return path


@functools.lru_cache
def tokenizer(kind: str = "bpe", size: int = 400) -> Any:
    """A tokenizer trained on the lines."""
    from tfmlm.data.corpus import iterable_corpus
    from tfmlm.data.tokenizer_training import train_tokenizer

    return train_tokenizer(iterable_corpus(lines()), kind, size)


@functools.lru_cache
def tokenizer_with_holes() -> Any:
    """Words by spaces, with ids that no token has: 0 to 5, and every seventh from 20 on."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for line in lines() for word in line.split() if word.isalpha()})
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 5}
    vocabulary |= {word: 20 + 7 * place for place, word in enumerate(words)}
    backend = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    backend.post_processor = TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, **{f"{name}_token": token for name, token in names.items()}
    )


def blocks(cache: Path, kind: str = "bpe", length: int = LENGTH, **options: Any) -> Any:
    """The lines as token blocks."""
    from tfmlm.data.blocks import build_blocks
    from tfmlm.data.corpus import iterable_corpus

    corpus = iterable_corpus(lines())
    return build_blocks(corpus, tokenizer(kind), length, cache_dir=cache, **options)


def model(dropout: float = 0.0, seed: int = 0, **overrides: Any) -> Any:
    """A BERT of one layer for `tokenizer()`; make it inside the strategy's scope."""
    import tf_keras
    from transformers import BertConfig

    from tfmlm.training.model_setup import build_new_model

    tf_keras.utils.set_random_seed(seed)
    options = {
        "vocab_size": len(tokenizer()),
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": 0.2,
    }
    return build_new_model(BertConfig(**{**options, **overrides}))


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
