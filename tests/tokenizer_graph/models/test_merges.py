"""The table of merges: ranks, products, refusals."""

import pytest
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.models._merges import (
    NONE,
    PairTable,
    is_unclean,
    limit_of,
    product_of,
    rank_of,
)

VOCAB = {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "bc": 5}


def _fields(table: PairTable, left: int, right: int) -> tuple[int, int, int, int]:
    entries = table.entries(*(tf.constant([s], tf.int64) for s in (left, right)))
    parts = (rank_of, limit_of, product_of, is_unclean)
    rank, limit, product, unclean = (int(part(entries)[0]) for part in parts)
    return rank, limit, product, unclean


def test_ranks_limits_and_products() -> None:
    table = PairTable(VOCAB, [("b", "c"), ("a", "b"), ("ab", "c")])
    assert _fields(table, 1, 2) == (0, 0, 5, 0)
    assert _fields(table, 0, 1) == (1, 1, 3, 0)
    # nothing merges b|c across other than rank 0 and, grown to ab|c, rank 2
    assert _fields(table, 3, 2) == (2, 2, 4, 0)
    assert _fields(table, 2, 0)[:2] == (NONE, NONE)
    assert _fields(table, 1, table.separator)[:2] == (NONE, NONE)


def test_a_product_that_is_merged_sooner_is_unclean() -> None:
    table = PairTable(VOCAB, [("ab", "c"), ("a", "b")])
    assert _fields(table, 0, 1)[3] == 1 and _fields(table, 3, 2)[3] == 0
    # b|c has no merge of its own, but ab|c crosses the same boundary
    assert _fields(table, 1, 2)[:2] == (NONE, 0)


@pytest.mark.parametrize(
    ("merges", "prefix", "reason"),
    [([("a", "x")], 0, "'x'.*not in the vocabulary"), ([("a", "b")], 1, "adds nothing")],
)
def test_refused_by_the_merge(merges, prefix: int, reason: str) -> None:
    with pytest.raises(UnsupportedTokenizerError, match=reason) as caught:
        PairTable(VOCAB, merges, prefix)
    assert caught.value.path == "model.merges[0]"
