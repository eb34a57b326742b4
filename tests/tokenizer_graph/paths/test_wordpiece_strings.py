"""Fast rows of TF Text's op: which they are, by their characters, and that none differs."""

import re

import tensorflow as tf
from tokenizers import AddedToken

from tests.tokenizer_graph.paths import small
from tfmlm.tokenizer_graph.paths import wordpiece

LIMIT = 9


def _is_fast(text: str) -> bool:
    """Characters of the vocabulary in short words, punctuation, spaces, masks; no other token."""
    if "[X]" in text:
        return False
    text = text.replace(small.MASK, " ")
    known = re.fullmatch(r"[a-eA-E9 .!,…“\[\]]*", text)
    return bool(known) and all(len(word) <= LIMIT for word in re.findall(r"[a-eA-E9]+", text))


def test_rows_and_their_ids() -> None:
    rust = small.bert_like(LIMIT)
    fast = small.by_op(rust).fast
    texts = [text for text in small.texts(5, 1000) if "\t" not in text]
    flags = fast.matches(tf.constant(texts)).numpy().tolist()
    assert flags == [_is_fast(text) for text in texts]
    texts = [text for text, flag in zip(texts, flags, strict=True) if flag]
    assert len(texts) > 100
    want = [encoding.ids for encoding in rust.encode_batch(texts)]
    tokens = fast.tokens(tf.constant(texts))
    assert tf.RaggedTensor.from_row_splits(*tokens).to_list() == want
    spans = fast.spans(tf.constant(texts))
    found = [[m.span() for m in re.finditer(rb"\[MASK\]", text.encode())] for text in texts]
    got = tf.RaggedTensor.from_row_splits(spans.span, spans.splits).to_list()
    assert [[tuple(span) for span in row] for row in got] == found


def test_no_row_is_fast_where_tokens_look_at_their_neighbours() -> None:
    rust = small.bert_like()
    rust.add_tokens([AddedToken("q", normalized=False, single_word=True)])
    assert not isinstance(small.by_op(rust), wordpiece.SpelledPath)
