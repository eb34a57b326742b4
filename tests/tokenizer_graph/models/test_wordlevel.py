"""WordLevel against Rust."""

import pytest

import tfmlm
from tests.tokenizer_graph.components import tokenizer
from tests.tokenizer_graph.parity import assert_ids_equal
from tests.tokenizer_graph.texts import mixed


@pytest.mark.parametrize("pre_tokenizer", ["Whitespace", "WhitespaceSplit", None])
def test_equals_rust(pre_tokenizer):
    texts = mixed(51, 1500)
    words = sorted({word for text in texts[::2] for word in text.split()} | {" ", "a b", "\x00"})
    vocab = {word: k for k, word in enumerate(["[UNK]", *words])}
    rust = tokenizer(
        model={"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
        pre_tokenizer=pre_tokenizer and {"type": pre_tokenizer},
    )
    assert_ids_equal(tfmlm.GraphTokenizer.from_tokenizer(rust), rust, texts)
