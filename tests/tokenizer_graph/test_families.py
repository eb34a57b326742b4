"""Whole tokenizers of the published families, BPE and Unigram: not one string may differ."""

from __future__ import annotations

import functools
import random
import string

import pytest
import tensorflow as tf
from tokenizers import Tokenizer

from tests.real_data import english_texts, multilingual_texts
from tests.tokenizer_graph import sentencepiece_like, trained
from tests.tokenizer_graph.models.words import long_words
from tests.tokenizer_graph.parity import assert_ids_equal, untruncated
from tfmlm.tokenizer_graph import GraphTokenizer, hostile

BPE = ("roberta", "modernbert_like", "llama_like")
FAMILIES = [*BPE, *sentencepiece_like.FAMILIES]


@functools.lru_cache
def _both(family: str) -> tuple[GraphTokenizer, Tokenizer]:
    if family in BPE:
        fast = trained.TOKENIZERS[family]()
        return GraphTokenizer.from_tokenizer(fast), fast.backend_tokenizer
    rust = sentencepiece_like.FAMILIES[family]()
    return GraphTokenizer.from_tokenizer(rust), rust


def _special_pieces(rust: Tokenizer) -> list[str]:
    return [token.content for token in rust.get_added_tokens_decoder().values()]


@pytest.mark.parametrize("family", FAMILIES)
def test_real_texts(family):
    assert_ids_equal(*_both(family), [*english_texts(400), *multilingual_texts(2500)])


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_texts(family):
    graph, rust = _both(family)
    rng = random.Random(1)
    vocab = sorted(rust.get_vocab())
    texts = hostile.hostile(1, 3000, pieces=_special_pieces(rust))
    texts += hostile.random_codepoints(2, 2000) + hostile.edge_texts() + hostile.long_texts()
    texts += ["".join(rng.choices(vocab, k=rng.randint(1, 5))) for _ in range(2000)]
    assert_ids_equal(graph, rust, texts)
    assert_ids_equal(graph, rust, hostile.invalid_utf8(3, 1000, multilingual_texts(200)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("context", ["{}", "a{}b", " {}\u0301 x", "x {}"])
def test_every_nth_codepoint(family, context):
    assert_ids_equal(*_both(family), list(hostile.every_codepoint(context, step=97)))


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_and_loaded(family, tmp_path):
    graph, rust = _both(family)
    tokenize = tf.function(
        lambda texts: graph.tokenize(texts), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    graph.served = tokenize  # type: ignore[attr-defined]
    tf.saved_model.save(graph, str(tmp_path))
    texts = [*hostile.hostile(5, 300), *multilingual_texts(200)]
    got = tf.saved_model.load(str(tmp_path)).served(tf.constant(texts)).to_list()
    assert got == [encoding.ids for encoding in untruncated(rust).encode_batch(texts)]


@pytest.mark.parametrize("family", FAMILIES)
def test_long_words(family):
    rng = random.Random(4)
    texts = long_words(string.ascii_lowercase, 8000, rng) + long_words("=-.*_é漢", 3000, rng)
    texts += ["".join(word for text in multilingual_texts(300) for word in text.split())]
    assert_ids_equal(*_both(family), texts)
