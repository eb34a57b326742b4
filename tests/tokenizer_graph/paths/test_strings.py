"""Rows that are tokenized without code points: which they are, and that nothing differs there."""

from __future__ import annotations

import functools
import json
import random
import re

import pytest
import tensorflow as tf
from tokenizers import Tokenizer

from tests.real_data import english_texts
from tests.tokenizer_graph import sentencepiece_like, trained
from tests.tokenizer_graph.parity import assert_ids_equal
from tfmlm.tokenizer_graph import GraphTokenizer

ROWS = ("bert_uncased text", "bert_cased text")  # by the op of TF Text
BY_CLASS = ("bert_uncased", "bert_cased")
WORDS = ("roberta", "modernbert_like", "xlm_roberta", "xlm_roberta_converted", "albert")
FAMILIES = (*ROWS, *BY_CLASS, *WORDS, "camembert")

SPACED = "Paris – “the   city” – isn't far.\tOr is it?\n"
PIECES = [
    *("a", "B", "the", "They're", "'s", "'ll", "''", "``", "“", "”", "’", "…", ".", ",", "$", "9"),
    *("2024", "é", "É", "ß", "ﬁ", "Ω", "σ", "ς", "Ж", "й", "½", "€", "·", "_", "#", "x" * 99),
    *("y" * 101, "\u0301", "\u00ad", "\u200b", "中", "\x00", "\x01", "\x02", "\xff", "\xa0", "à"),
]


@functools.lru_cache
def _graph(family: str):
    family, _, ops = family.partition(" ")
    if family in trained.TOKENIZERS:
        fast = trained.TOKENIZERS[family]()
        graph = GraphTokenizer.from_tokenizer(fast, ops=ops or "core")
        return graph, fast.backend_tokenizer, fast.mask_token
    rust = sentencepiece_like.FAMILIES[family]()
    mask = next(
        t.content for t in rust.get_added_tokens_decoder().values() if "mask" in t.content.lower()
    )
    return GraphTokenizer.from_tokenizer(rust), rust, mask


def _is_fast(graph: GraphTokenizer, texts: list[str]) -> list[bool]:
    return graph._path.fast.matches(tf.constant(texts)).numpy().tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_ordinary_text_is_fast(family):
    graph, _, mask = _graph(family)
    texts = [f"The cat, it's {mask} on the mat.", "", "“Well” – 9 euros", f"{mask}", "a"]
    assert _is_fast(graph, texts) == [True] * 5


@pytest.mark.parametrize("family", FAMILIES)
def test_what_needs_tables_is_not_fast(family):
    graph, rust, mask = _graph(family)
    specials = [t.content for t in rust.get_added_tokens_decoder().values() if t.content != mask]
    texts = [f"a {token} b" for token in specials]
    texts += ["a\u0301", "中", "a\x00b", "\x01", "\u200b", "\xa0"]
    assert not any(_is_fast(graph, texts))
    invalid = [b"\xff", b"a \xff b", b"\xe2\x96\x81\xff", b"caf\xc3"]
    assert_ids_equal(graph, rust, [*invalid, *(mask.encode() + text for text in invalid)])


@pytest.mark.parametrize("family", ROWS)
def test_words_over_the_limit_are_not_fast(family):
    graph, _, _ = _graph(family)
    assert _is_fast(graph, ["x" * 100, "x" * 101, "x" * 100 + " " + "x" * 100]) == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("family", WORDS)
def test_spaces_beside_spaces_are_not_fast(family):
    graph, _, _ = _graph(family)
    assert not any(_is_fast(graph, ["a  b", "a\tb", "a\n", "  ", SPACED]))


def _texts(mask: str, count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    pieces = [*PIECES, *[mask] * 6, *[" "] * 30]
    ordinary = [*PIECES[:20], *[mask] * 2, *[" "] * 14]
    return [
        "".join(rng.choices(ordinary if rng.random() < 0.7 else pieces, k=rng.randint(0, 12)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_text_differs(family):
    graph, rust, mask = _graph(family)
    texts = [*_texts(mask, 4000, seed=5), *english_texts(200), SPACED]
    assert_ids_equal(graph, rust, texts)
    flags = _is_fast(graph, texts)
    fast = [text for text, flag in zip(texts, flags, strict=True) if flag]
    assert len(fast) > 500 and len(texts) - len(fast) > 500
    assert_ids_equal(graph, rust, fast)  # batches without any other row


@pytest.mark.parametrize("family", [*WORDS, "bert_uncased"])
@pytest.mark.parametrize("lstrip", [False, True])
@pytest.mark.parametrize("rstrip", [False, True])
def test_spaces_that_a_mask_token_strips(family, lstrip, rstrip):
    _, rust, mask = _graph(family)
    value = json.loads(rust.to_str())
    for token in value["added_tokens"]:
        if token["content"] == mask:
            token.update(lstrip=lstrip, rstrip=rstrip, special=True)
    rust = Tokenizer.from_str(json.dumps(value))
    graph = GraphTokenizer.from_tokenizer(rust)
    texts = [
        *(f"a{a}{mask}{b}c{d}" for a in ("", " ", ".") for b in ("", " ", "'s") for d in ("", " ")),
        *(f"{a}{mask}{b}{mask} {mask}{d}" for a in ("", " ") for b in ("", " ") for d in ("", " ")),
        *_texts(mask, 600, seed=7),
    ]
    assert_ids_equal(graph, rust, texts)
    assert sum(_is_fast(graph, texts)) > 150


@pytest.mark.parametrize("family", FAMILIES)
def test_mask_spans(family):
    graph, _, mask = _graph(family)
    texts = _texts(mask, 1500, seed=6)
    want = [
        [
            [len(text[: found.start()].encode()), len(text[: found.end()].encode())]
            for found in re.finditer(re.escape(mask), text)
        ]
        for text in texts
    ]
    flags = _is_fast(graph, texts)
    for batch in (range(len(texts)), [k for k, flag in enumerate(flags) if flag]):
        encoded = graph.encode([texts[k] for k in batch])
        assert encoded.mask_spans.to_list() == [want[k] for k in batch]
        masks = tf.reduce_sum(tf.cast(encoded.ids == graph.mask_token_id, tf.int32), 1)
        assert masks.numpy().tolist() == [len(want[k]) for k in batch]
