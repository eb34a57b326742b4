"""Random tokenizers on random texts (hypothesis): the ids are Rust's, or the file is refused."""

import json
from random import Random

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import tfmlm
from tests.tokenizer_graph import configurations, trained
from tests.tokenizer_graph.parity import assert_ids_equal
from tests.tokenizer_graph.texts import mixed
from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph import hostile

SLOW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class Compiled:
    def __init__(self, graph):
        self.tokenize = tf.function(
            graph.tokenize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
        )


def texts_for(value, rng):
    """Texts full of the configuration's own added tokens, spaces and company."""
    parts = [*configurations.CONTENTS, " ", "  ", "b", "hello", "é", ".", "\n", "9"]
    parts += [token["content"] for token in value["added_tokens"]] * 3
    made = ["".join(rng.choice(parts) for _ in range(rng.randint(1, 9))) for _ in range(500)]
    # few things in a row but single spaces: rows that take the short way
    plain = [
        "a",
        "Hello",
        "isn't",
        ".",
        "9",
        "é",
        *(token["content"] for token in value["added_tokens"]),
    ]
    made += [
        "".join(rng.choice(plain) + rng.choice(["", " "]) for _ in range(rng.randint(0, 7)))
        for _ in range(300)
    ]
    return [*made, *mixed(rng.randrange(1000), 300), *hostile.long_texts()]


@SLOW
@given(st.integers(0, 10**9))
def test_random_configurations(seed):
    rng = Random(seed)
    value = configurations.tokenizer(rng)
    rust = Tokenizer.from_str(json.dumps(value))
    try:
        graph = tfmlm.GraphTokenizer.from_tokenizer(rust)
    except UnsupportedTokenizerError as error:
        assert error.path
        return
    assert_ids_equal(Compiled(graph), rust, texts_for(value, rng))


@pytest.fixture(scope="module")
def compiled():
    return {
        name: Compiled(tfmlm.GraphTokenizer.from_tokenizer(trained.TOKENIZERS[name]()))
        for name in ("bert_uncased", "modernbert_like", "electra_like")
    }


alphabet = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from([*hostile.MARKS, *hostile.SPACES, *hostile.CONTROLS, *hostile.COMPOSING]),
    st.sampled_from(hostile.PIECES),
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(alphabet, max_size=20).map("".join), min_size=1, max_size=40))
@pytest.mark.parametrize("name", ["bert_uncased", "modernbert_like", "electra_like"])
def test_random_strings(compiled, name, texts):
    assert_ids_equal(compiled[name], trained.TOKENIZERS[name]().backend_tokenizer, texts)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=40))
def test_random_bytes(compiled, texts):
    rust = trained.TOKENIZERS["bert_uncased"]().backend_tokenizer
    assert_ids_equal(compiled["bert_uncased"], rust, texts)
