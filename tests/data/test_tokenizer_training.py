"""Trained tokenizers: as large as asked, and the smallest that there can be."""

from __future__ import annotations

import pytest

from tfmlm.config import TrainConfig
from tfmlm.data.corpus import Corpus, iterable_corpus
from tfmlm.data.tokenizer_training import train_tokenizer
from tfmlm.errors import UserError

#: Bytes, and the special tokens of RoBERTa.
BPE_LEAST = 256 + 5


@pytest.fixture
def corpus() -> Corpus:
    return iterable_corpus(["The river runs past the mill and the market."] * 40)


def test_the_smallest_bpe_has_its_bytes_alone(corpus: Corpus) -> None:
    tokenizer = train_tokenizer(corpus, "bpe", BPE_LEAST)
    assert len(tokenizer) == BPE_LEAST
    text = "Größe 北 \x00\u20ac"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(text.encode())
    assert tokenizer.decode(ids) == text
    larger = train_tokenizer(corpus, "bpe", BPE_LEAST + 3)
    assert len(larger) == BPE_LEAST + 3


def test_fewer_than_the_bytes_are_refused() -> None:
    given = {"model_type": "roberta", "train_tokenizer": "bpe", "train_file": ("a.txt",)}
    TrainConfig(**given, output_dir="out", vocab_size=BPE_LEAST)
    with pytest.raises(UserError, match=f"needs at least {BPE_LEAST}"):
        TrainConfig(**given, output_dir="out", vocab_size=BPE_LEAST - 1)


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_special_tokens_stand_first(corpus: Corpus, kind: str) -> None:
    tokenizer = train_tokenizer(corpus, kind, 100)
    assert len(tokenizer) <= 100
    assert sorted(tokenizer.all_special_ids) == [0, 1, 2, 3, 4]
    assert tokenizer.pad_token_id == 0
    assert train_tokenizer(corpus, kind, 100, model_type="roberta").pad_token_id == 1
