"""The path of code points: ids and offsets as Rust's, mask spans as Python's `re` finds them."""

import re

import pytest
import tensorflow as tf
from tokenizers import AddedToken, Tokenizer

from tests.tokenizer_graph.paths import small
from tfmlm.tokenizer_graph.added_tokens import build_passes
from tfmlm.tokenizer_graph.component import Tokens
from tfmlm.tokenizer_graph.paths.general import GeneralPath, components
from tfmlm.tokenizer_graph.post_processors.trim import Trim
from tfmlm.tokenizer_graph.registry import builder


def _with_ends(texts: list[Tokens]) -> tuple[Tokens, None]:
    """A token 99 behind each row."""
    rows = tf.RaggedTensor.from_row_splits(*texts[0])
    rows = tf.concat([rows, tf.fill([rows.nrows(), 1], 99)], 1)
    return Tokens(rows.flat_values, rows.row_splits), None


def _general(rust: Tokenizer) -> GeneralPath:
    context = small.context(rust)
    before, after = build_passes(context)
    normalizer, pre_tokenizer = components(context)
    model = builder(context.spec.model)(context.spec.model, context)
    parts = (before, normalizer, after, pre_tokenizer, model, _with_ends, Trim(context))
    return GeneralPath(context, *parts)


def _stripping() -> Tokenizer:
    rust = small.bert_like()
    rust.add_tokens([AddedToken("cd", lstrip=True), AddedToken("É", rstrip=True)])
    return rust


@pytest.mark.parametrize("make", [small.bert_like, small.words, _stripping])
def test_ids_offsets_and_masks(make) -> None:
    rust = make()
    path, texts = _general(rust), small.texts(2, 250)
    rows = tf.constant(texts)
    encodings = rust.encode_batch(texts)
    want = [encoding.ids for encoding in encodings]
    tokens = path.tokens(rows)
    assert tf.RaggedTensor.from_row_splits(*tokens).to_list() == want
    ended = path.tokens(rows, with_special_tokens=True)
    assert tf.RaggedTensor.from_row_splits(*ended).to_list() == [[*ids, 99] for ids in want]
    spans = path.spans(rows)
    found = [[m.span() for m in re.finditer(rb"\[MASK\]", text.encode())] for text in texts]
    got = tf.RaggedTensor.from_row_splits(spans.span, spans.splits).to_list()
    assert [[tuple(span) for span in row] for row in got] == found
    assert all(path.matches(rows).numpy())


@pytest.mark.parametrize("make", [small.bert_like, _stripping])
def test_offsets(make) -> None:
    rust = make()
    texts = small.texts(3, 250)
    found = _general(rust).offsets(tf.constant(texts))
    ragged = tf.RaggedTensor.from_row_splits(found.characters, found.tokens.splits)
    want = [[list(pair) for pair in encoding.offsets] for encoding in rust.encode_batch(texts)]
    assert ragged.to_list() == want
