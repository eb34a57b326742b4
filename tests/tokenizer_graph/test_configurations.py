"""Random tokenizers on random texts (hypothesis): the ids are Rust's, or the file is refused."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfmlm
from tests.tokenizer_graph import trained
from tests.tokenizer_graph.parity import assert_ids_equal
from tests.tokenizer_graph.random_tokenizers import check
from tfmlm.tokenizer_graph import hostile


class Compiled:
    def __init__(self, graph):
        self.tokenize = tf.function(
            graph.tokenize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
        )


@pytest.mark.parametrize("group", range(6))
def test_random_tokenizers_are_exact_or_refused(group, request):
    """60 of them; 500 with `--long`."""
    count = 84 if request.config.getoption("--long") else 10
    for seed in range(group * count, (group + 1) * count):
        check(seed)


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
