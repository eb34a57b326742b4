"""What is refused before anything is compiled."""

import pytest

import tfmlm
from tests.tokenizer_graph import trained
from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.loading import spec_from_tokenizer


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("XLMTokenizer", "Moses"),
        ("FlaubertTokenizer", "Moses"),
        ("RoFormerTokenizer", "jieba"),
        ("RoFormerTokenizerFast", "jieba"),
        ("CanineTokenizer", "no tokenizer.json"),
    ],
)
def test_refused_by_name(name, reason):
    with pytest.raises(UnsupportedTokenizerError, match=f"{name}.*{reason}"):
        tfmlm.GraphTokenizer.from_tokenizer(type(name, (), {})())


def test_settings_of_the_wrapper_are_read():
    config = spec_from_tokenizer(trained.bert_cased()).config
    assert config.mask_token == "[MASK]" and config.pad_token_id == 0
    assert config.clean_up_tokenization_spaces and config.padding_side == "right"


def test_split_special_tokens_is_refused():
    tokenizer = trained.bert_cased.__wrapped__()
    tokenizer.split_special_tokens = True
    with pytest.raises(UnsupportedTokenizerError, match="split_special_tokens"):
        tfmlm.GraphTokenizer.from_tokenizer(tokenizer)


def test_a_bare_rust_tokenizer_is_taken():
    rust = trained.bert_cased().backend_tokenizer
    graph = tfmlm.GraphTokenizer.from_tokenizer(rust)
    assert graph.mask_token == "[MASK]" and graph.pad_token_id == 0
    assert graph.tokenize(["a b"]).to_list() == [rust.encode("a b").ids]
