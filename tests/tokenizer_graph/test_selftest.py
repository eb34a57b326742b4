"""The self-test passes on a sound graph and fails on a broken one."""

import pytest
import tensorflow as tf

import tfmlm
from tests.tokenizer_graph import trained
from tfmlm.errors import RunFailedError, UserError
from tfmlm.tokenizer_graph.selftest import self_test


@pytest.fixture(scope="module")
def graph():
    return tfmlm.GraphTokenizer.from_tokenizer(trained.bert_uncased())


def test_quick(graph):
    result = self_test(graph)
    assert result.passed and result.strings > 50_000 and result.decoded > 5_000
    result.raise_if_failed()
    assert result.to_json()["different"] == 0


def test_a_wrong_id_is_found(graph):
    def wrong(texts):
        ids = graph.tokenize(texts)
        return ids.with_values(tf.where(tf.equal(ids.values, 7592), 7593, ids.values))

    result = self_test(graph, tokenize=wrong, texts=["hello"])
    assert result.different and not result.passed
    with pytest.raises(RunFailedError, match="differs from the fast tokenizer on"):
        result.raise_if_failed()


def test_modes(graph):
    with pytest.raises(UserError, match="quick, full"):
        self_test(graph, "thorough")


def test_a_wrong_text_is_found(graph, monkeypatch):
    """Ids alone are not all: a decoder that loses a space."""
    decode = graph.decode

    def wrong(ids, **settings):
        return tf.strings.regex_replace(decode(ids, **settings), " ", "", False)

    monkeypatch.setattr(graph, "decode", wrong)
    result = self_test(graph)
    assert result.decoded_different and not result.different and not result.passed
    with pytest.raises(RunFailedError, match="decoded rows"):
        result.raise_if_failed()
