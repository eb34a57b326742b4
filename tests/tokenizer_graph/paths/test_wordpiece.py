"""WordPiece by TF Text's op: ids as Rust's, with and without fast rows; when there is none."""

import re

import pytest
import tensorflow as tf
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

from tests.tokenizer_graph.paths import small
from tfmlm.tokenizer_graph.paths import wordpiece


def _by_table() -> Tokenizer:
    """A token that looks at its neighbours: no row is fast."""
    rust = small.bert_like()
    rust.add_tokens([AddedToken("ab", single_word=True, normalized=False)])
    return rust


def _in_steps() -> Tokenizer:
    """A normalizer that is no table."""
    rust = small.bert_like()
    rust.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    return rust


MADE = {
    "fast rows": (small.bert_like, wordpiece.SpelledPath),
    "a table": (_by_table, wordpiece.TablePath),
    "in steps": (_in_steps, wordpiece.TablePath),
}


@pytest.mark.parametrize("name", MADE)
def test_ids_and_mask_spans(name: str) -> None:
    make, kind = MADE[name]
    rust = make()
    path, texts = small.by_op(rust), small.texts(4, 300)
    assert isinstance(path, kind)
    want = [encoding.ids for encoding in rust.encode_batch(texts)]
    tokens = path.tokens(tf.constant(texts))
    assert tf.RaggedTensor.from_row_splits(*tokens).to_list() == want
    spans = path.spans(tf.constant(texts))
    assert tf.RaggedTensor.from_row_splits(*spans.tokens).to_list() == want
    found = [[m.span() for m in re.finditer(rb"\[MASK\]", text.encode())] for text in texts]
    got = tf.RaggedTensor.from_row_splits(spans.span, spans.splits).to_list()
    assert [[tuple(span) for span in row] for row in got] == found


def test_other_components_have_no_such_path() -> None:
    assert small.by_op(small.words()) is None
    rust = small.bert_like()
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    assert small.by_op(rust) is None
