"""WordPiece: the general model and the short way over whole rows, against Rust."""

import json

import pytest
import tensorflow as tf
from tokenizers import Tokenizer

import tfmlm
from tests.tokenizer_graph.parity import assert_ids_equal
from tests.tokenizer_graph.texts import mixed
from tfmlm.tokenizer_graph import hostile
from tfmlm.tokenizer_graph.models.wordpiece import WordPieceModel
from tfmlm.tokenizer_graph.spec import WordPiece


def rust_tokenizer(pieces, prefix="##", limit=100, pre_tokenizer="WhitespaceSplit", **stages):
    vocab = {piece: k for k, piece in enumerate(dict.fromkeys(["[UNK]", *pieces]))}
    model = {
        "type": "WordPiece",
        "vocab": vocab,
        "unk_token": "[UNK]",
        "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": limit,
    }
    value = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": pre_tokenizer and {"type": pre_tokenizer},
        "model": model,
        **stages,
    }
    return Tokenizer.from_str(json.dumps(value))


PIECES = ["a", "b", "##a", "##b", "ab", "##ab", "##", "#", "[UNK]", ".", "##.", "漢", "##漢", "é"]
PIECES += ["\x00", "\x01", "##\x01", "\ue000", "\ue001", "##\ue000", "\U00100000", "\u4e00", "a.b"]
PIECES += ["##é", "\U0010ffff", "##ing", "hello", "1", "##1", "A", "'", "##'"]


@pytest.mark.parametrize(
    "pre_tokenizer", ["WhitespaceSplit", "BertPreTokenizer", "Whitespace", None]
)
@pytest.mark.parametrize("prefix", ["##", "", "ab", "é"])
def test_strange_pieces(pre_tokenizer, prefix):
    pieces = [piece.replace("##", prefix) for piece in PIECES if piece.replace("##", prefix)]
    rust = rust_tokenizer(pieces, prefix, pre_tokenizer=pre_tokenizer)
    texts = [a + b + c for a in pieces for b in ["", " ", "a", "."] for c in pieces]
    assert_ids_equal(tfmlm.GraphTokenizer.from_tokenizer(rust), rust, [*texts, *mixed(41, 400)])


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("clean", [True, False])
def test_limit_counts_characters(limit, clean):
    normalizer = {
        "type": "BertNormalizer",
        "clean_text": clean,
        "handle_chinese_chars": True,
        "strip_accents": True,
        "lowercase": True,
    }
    rust = rust_tokenizer(PIECES, "##", limit, "BertPreTokenizer", normalizer=normalizer)
    lengths = {limit - 1, limit, limit + 1, 2 * limit}
    words = [c * n for c in ("a", "é", "e\u0301", "漢", "\x00a", ".") for n in lengths]
    texts = [a + b + c for a in words for b in ("", " ", ".", "漢", "\x01") for c in words]
    graph = tfmlm.GraphTokenizer.from_tokenizer(rust)
    assert_ids_equal(graph, rust, [*texts, *hostile.long_texts()])


def test_many_characters_use_the_whole_alphabet():
    """More characters than the private use area of the first plane holds."""
    characters = [chr(c) for c in (*range(0x400, 0x3000), *range(0x4E00, 0x6000))]
    pieces = [*characters, *(f"##{c}" for c in characters)]
    rust = rust_tokenizer(pieces, pre_tokenizer="BertPreTokenizer")
    graph = tfmlm.GraphTokenizer.from_tokenizer(rust)
    texts = ["".join(characters[i : i + 7]) for i in range(0, len(characters), 7)]
    assert_ids_equal(graph, rust, [*texts, *mixed(42, 300)])


def test_model_alone_takes_words_as_they_are():
    spec = WordPiece({"[UNK]": 0, "a b": 1, "##.c": 2, " ": 3})
    rust = Tokenizer.from_str(json.dumps({"version": "1.0", "model": {**spec.to_json()}}))
    model = WordPieceModel(spec, rust.model.tokenize)
    words = ["a b", "a b.c", " ", "a", "\x00", "a b" * 50]
    codepoints = tf.constant([ord(c) for word in words for c in word])
    splits = tf.concat([[0], tf.cumsum(tf.constant([len(word) for word in words], tf.int64))], 0)
    ids, id_splits = model(codepoints, splits)
    assert ids.numpy().tolist() == [1, 1, 2, 3, 0, 0, 0]
    assert id_splits.numpy().tolist() == [0, 1, 3, 4, 5, 6, 7]
    ids, id_splits = model(tf.zeros([0], tf.int32), tf.zeros([1], tf.int64))
    assert ids.shape == (0,) and id_splits.numpy().tolist() == [0]
