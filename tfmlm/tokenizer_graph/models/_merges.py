"""Tables for BPE merges on pairs of adjacent symbols.

For a pair (left, right) of adjacent symbols two numbers decide what may happen at the boundary
between them:

- `rank`: the rank of the merge of exactly these two, if there is one;
- `limit`: the lowest rank of any merge that can ever happen *across this boundary*, also after
  both symbols have grown: merges (x, y) where `left` is at the end of x and `right` at the start
  of y, in some way of building x and y. No limit means that the boundary stays for ever.

A merge is `unclean` if another merge that consumes its product has a lower rank.

`limit <= rank`, and the limit of a boundary never falls while its symbols grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.ops.lookup import IntegerTable

# An entry is rank << 41 | limit << 21 | product << 1 | unclean, with three fields of 20 bits.
FIELD_BITS = 20
FIELD_MAX = (1 << FIELD_BITS) - 1
PRODUCT_SHIFT = 1
LIMIT_SHIFT = PRODUCT_SHIFT + FIELD_BITS
RANK_SHIFT = LIMIT_SHIFT + FIELD_BITS
# int64 [n], of NumPy where tables are made, tensors in calls
Symbols = TypeVar("Symbols", np.ndarray, tf.Tensor)
# The rank and the limit of a boundary that has none.
NONE = FIELD_MAX
NO_ENTRY = NONE << RANK_SHIFT | NONE << LIMIT_SHIFT


def rank_of(entries: tf.Tensor) -> tf.Tensor:
    """The ranks of entries, int64 [n] -> int64 [n]."""
    return tf.bitwise.right_shift(entries, RANK_SHIFT)


def limit_of(entries: tf.Tensor) -> tf.Tensor:
    """The limits of entries, int64 [n] -> int64 [n]."""
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(entries, LIMIT_SHIFT), FIELD_MAX)


def product_of(entries: tf.Tensor) -> tf.Tensor:
    """The products of entries, int64 [n] -> int64 [n]."""
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(entries, PRODUCT_SHIFT), FIELD_MAX)


def is_unclean(entries: tf.Tensor) -> tf.Tensor:
    """Whether the merges of entries are unclean, int64 [n] -> bool [n]."""
    return tf.cast(tf.bitwise.bitwise_and(entries, 1), tf.bool)


class PairTable(tf.Module):
    """Entries for pairs of adjacent symbols.

    Args:
        vocab: token -> id.
        merges: pairs of tokens; the rank is the index in the list.
        prefix_length: characters of the continuing prefix that the right part loses in a merge.

    Attributes:
        separator: a symbol that merges with nothing.

    Raises:
        UnsupportedTokenizerError: a merge names tokens that the vocabulary does not hold, or
            there are over a million ids or merges.
    """

    def __init__(
        self, vocab: Mapping[str, int], merges: Sequence[Sequence[str]], prefix_length: int = 0
    ) -> None:
        super().__init__()
        self.separator = max(vocab.values(), default=-1) + 1
        if max(self.separator, len(merges)) >= NONE:
            raise UnsupportedTokenizerError(
                "model.merges", f"{len(merges)} merges", f"under {NONE} ids and merges"
            )
        pairs, products = _merge_arrays(vocab, merges, prefix_length)
        ranks = np.array(list(pairs.values()), np.int64)
        left = np.array([pair[0] for pair in pairs], np.int64)
        right = np.array([pair[1] for pair in pairs], np.int64)
        product = np.array(products, np.int64)
        keys, limits = self._limits(left, right, product, ranks)
        entries = NONE << RANK_SHIFT | limits << LIMIT_SHIFT
        own = np.searchsorted(keys, self._key(left, right))
        consumed = np.full(self.separator, NONE, np.int64)  # lowest rank with a symbol as a part
        np.minimum.at(consumed, np.concatenate([left, right]), np.concatenate([ranks, ranks]))
        unclean = (consumed[product] < ranks).astype(np.int64)
        entries[own] = (
            ranks << RANK_SHIFT | limits[own] << LIMIT_SHIFT | product << PRODUCT_SHIFT | unclean
        )
        self._entries = IntegerTable(keys, entries, NO_ENTRY)

    def _key(self, left: Symbols, right: Symbols) -> Symbols:
        """The key of pairs of symbols (NumPy arrays or tensors, int64 [n])."""
        return left * (self.separator + 1) + right

    def _limits(
        self, left: np.ndarray, right: np.ndarray, product: np.ndarray, ranks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Every pair that a merge can cross, as sorted keys, with the lowest rank."""
        ends = _spines(product, right, self.separator)
        starts = _spines(product, left, self.separator)
        order = np.argsort(ranks)
        _, x = ends.expand(left[order])
        count = ends.sizes(left[order])
        row, y = starts.expand(np.repeat(right[order], count))
        keys, index = np.unique(self._key(x[row], y), return_index=True)
        merge = np.repeat(order, count)[row[index]]
        return keys, ranks[merge]

    def __call__(self, symbols: tf.Tensor) -> tf.Tensor:
        """Symbols int64 [n] -> entries int64 [n - 1] of the boundaries between them."""
        return self.entries(symbols[:-1], symbols[1:])

    def entries(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """Entries int64 [n] of pairs: left and right symbols int64 [n]."""
        return self._entries(self._key(left, right))


def _merge_arrays(
    vocab: Mapping[str, int], merges: Sequence[Sequence[str]], prefix_length: int
) -> tuple[dict[tuple[int, int], int], list[int]]:
    """(left, right) -> rank, and the products in the same order; shorter products come first."""
    ranks: dict[tuple[int, int], int] = {}
    products: dict[tuple[int, int], str] = {}
    for rank, (left, right) in enumerate(merges):
        product = left + right[prefix_length:]
        for token in (left, right, product):
            if token not in vocab:
                raise UnsupportedTokenizerError(
                    f"model.merges[{rank}]", f"{token!r}, which is not in the vocabulary"
                )
        if len(product) == len(left):
            raise UnsupportedTokenizerError(
                f"model.merges[{rank}]", f"{[left, right]}, which adds nothing to the left part"
            )
        pair = (vocab[left], vocab[right])
        ranks[pair] = rank  # the last of equal pairs counts, as in the Rust library
        products[pair] = product
    order = sorted(ranks, key=lambda pair: len(products[pair]))
    return {pair: ranks[pair] for pair in order}, [vocab[products[pair]] for pair in order]


class _Spines:
    """For each symbol, the symbols that can stand at its one end, itself included."""

    def __init__(self, members: Sequence[Iterable[int]]) -> None:
        self._sizes = np.array([len(list(m)) for m in members], np.int64)
        self._firsts = np.cumsum(self._sizes) - self._sizes
        self._members = np.fromiter((x for m in members for x in m), np.int64)

    def sizes(self, symbols: np.ndarray) -> np.ndarray:
        return self._sizes[symbols]

    def expand(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers and members of all `symbols`, one after the other."""
        sizes = self._sizes[symbols]
        rows = np.repeat(np.arange(len(symbols)), sizes)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return rows, self._members[self._firsts[symbols][rows] + within]


def _spines(products: np.ndarray, parts: np.ndarray, count: int) -> _Spines:
    members: list[set[int]] = [{symbol} for symbol in range(count)]
    growing = True
    while growing:  # products are ordered by length, so that the second round finds nothing new
        growing = False
        for product, part in zip(products.tolist(), parts.tolist(), strict=True):
            if not members[part] <= members[product]:
                members[product] |= members[part]
                growing = True
    return _Spines(members)
