"""Whatever path is chosen: ids are Rust's, as are those of the general path beside it."""

import functools

import pytest
import tensorflow as tf

from tests.tokenizer_graph.paths import small
from tfmlm.errors import UserError
from tfmlm.tokenizer_graph.component import Tokens
from tfmlm.tokenizer_graph.paths.choose import OPS, choose
from tfmlm.tokenizer_graph.paths.general import GeneralPath
from tfmlm.tokenizer_graph.paths.split import SplitPath
from tfmlm.tokenizer_graph.paths.strings import StringPath
from tfmlm.tokenizer_graph.paths.wordpiece import SpelledPath


def _single(texts: list[Tokens]) -> tuple[Tokens, None]:
    return texts[0], None


@functools.cache
def _chosen(make, ops: str):
    return choose(small.context(make()), _single, ops)


@pytest.mark.parametrize("ops", OPS)
@pytest.mark.parametrize("make", [small.bert_like, small.words])
def test_all_paths_agree(make, ops: str) -> None:
    rust = make()
    path, general = _chosen(make, ops)
    texts = small.texts(1, 150)
    want = [encoding.ids for encoding in rust.encode_batch(texts)]
    for each in (path, general()):
        ids, splits = each.tokens(tf.constant(texts))
        assert tf.RaggedTensor.from_row_splits(ids, splits).to_list() == want


def test_what_is_chosen() -> None:
    words, general = _chosen(small.words, "core")
    assert isinstance(words, GeneralPath) and general() is words
    path, general = _chosen(small.bert_like, "core")
    assert isinstance(path, SplitPath) and isinstance(path.fast, StringPath)
    assert path.general is general()
    path, general = _chosen(small.bert_like, "text")
    assert isinstance(path, SpelledPath) and general() is general()


def test_other_ops_are_refused() -> None:
    with pytest.raises(UserError, match="'gpu' is unknown; choose one of core, text"):
        choose(small.context(small.words()), _single, "gpu")
