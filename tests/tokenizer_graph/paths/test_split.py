"""Rows of two groups come back in their order, each by its own way."""

import random

import tensorflow as tf

from tfmlm.tokenizer_graph.component import Spans, Tokens
from tfmlm.tokenizer_graph.paths.split import SplitPath, interleave


def _tokens(rows: list[list[int]]) -> Tokens:
    ragged = tf.ragged.constant(rows, tf.int32, ragged_rank=1)
    return Tokens(ragged.flat_values, ragged.row_splits)


def test_interleaved_like_lists() -> None:
    rng = random.Random(0)
    for _ in range(20):
        is_first = [rng.random() < 0.5 for _ in range(rng.randint(1, 9))]
        rows = [[rng.randrange(99) for _ in range(rng.randint(0, 3))] for _ in is_first]
        pairs = list(zip(rows, is_first, strict=True))
        first = [row if own else [7] * rng.randint(0, 2) for row, own in pairs]
        second = [row for row, own in pairs if not own]
        ids, splits = interleave(_tokens(first), _tokens(second), tf.constant(is_first))
        assert tf.RaggedTensor.from_row_splits(ids, splits).to_list() == rows


class _Path(tf.Module):
    """One token for each byte of a row, and a span for each."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first

    def matches(self, texts: tf.Tensor) -> tf.Tensor:
        return tf.strings.regex_full_match(texts, "a*")

    def tokens(self, texts: tf.Tensor, with_special_tokens: bool = False) -> Tokens:
        lengths = tf.strings.length(texts) + int(with_special_tokens)
        values = tf.fill([tf.reduce_sum(lengths)], self._first)
        rows = tf.RaggedTensor.from_row_lengths(values, lengths)
        return Tokens(rows.flat_values, rows.row_splits)

    def spans(self, texts: tf.Tensor) -> Spans:
        tokens = self.tokens(texts)
        ids = tf.cast(tokens.ids, tf.int64)
        return Spans(tokens, tf.stack([ids, ids + 1], 1), tokens.splits)


def test_each_row_goes_its_way() -> None:
    path = SplitPath(_Path(1), _Path(2))
    for texts, rows in (
        (["aa", "b", "", "ba"], [[1, 1], [2], [], [2, 2]]),
        (["a", "aa"], [[1], [1, 1]]),
        (["b"], [[2]]),
    ):
        ids, splits = path.tokens(tf.constant(texts))
        assert tf.RaggedTensor.from_row_splits(ids, splits).to_list() == rows
        spans = path.spans(tf.constant(texts))
        got = tf.RaggedTensor.from_row_splits(spans.span, spans.splits).to_list()
        assert got == [[[t, t + 1] for t in row] for row in rows]
    ids, splits = path.tokens(tf.constant(["a", "b"]), with_special_tokens=True)
    assert tf.RaggedTensor.from_row_splits(ids, splits).to_list() == [[1, 1], [2, 2]]
