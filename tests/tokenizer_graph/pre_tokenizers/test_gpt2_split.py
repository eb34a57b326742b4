"""GPT-2's split by classes equals a search for its pattern."""

import random

import regex
import tensorflow as tf

from tests.tokenizer_graph import configurations
from tests.tokenizer_graph.components import check_pre_tokenizer
from tests.tokenizer_graph.texts import mixed
from tfmlm.tokenizer_graph.hostile import hostile
from tfmlm.tokenizer_graph.ops.text import cut_words, decode_rows, encode_words
from tfmlm.tokenizer_graph.pre_tokenizers.gpt2_split import GPT2_PATTERN, Gpt2Split

PIECES = ["'", "'", "s", "t", "re", "ve", "l", "m", "d", "S", "é", "漢", "1", "½", "!", "…", " "]
PIECES += [" ", "  ", "\n", "\t", "\u00a0", "'ll", "'s"]


def test_words_as_pythons_regex_finds_them() -> None:
    rng = random.Random(0)
    texts = ["".join(rng.choices(PIECES, k=rng.randint(0, 9))) for _ in range(1500)]
    stream = decode_rows(tf.constant(texts))
    words = cut_words(*Gpt2Split()(stream, tf.fill(tf.shape(stream), False)))
    found = [w.decode() for w in encode_words(words.codepoints, words.splits).numpy()]
    splits = [0, *words.words_before.numpy().tolist()]
    for text, start, end in zip(texts, splits[:-1], splits[1:], strict=True):
        assert found[start:end] == regex.findall(GPT2_PATTERN, text)


def test_gpt2s_expression_by_classes_and_by_search_agree():
    """The fast way and the general one, on the same texts: both equal Rust."""
    texts = [*mixed(25), *hostile(26, 4000, longest=8)]
    for expression in (configurations.GPT2, configurations.GPT2 + "|q{9}"):
        check_pre_tokenizer(
            {
                "type": "Split",
                "pattern": {"Regex": expression},
                "behavior": "Isolated",
                "invert": False,
            },
            texts,
        )
