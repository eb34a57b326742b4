"""Integer tables over the stream's values, as two-level pages in eager constants.

A table of 0x120000 entries is cut into pages of 256; equal pages are stored once. A look-up is
four ops: shift, gather, add, gather.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.component import ADDED, GAP
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.shift import repeated

PAGE_BITS = 8
PAGE = 1 << PAGE_BITS
# Code points, GAP, ROW and at most 65,534 added tokens.
LIMIT = 0x120000
MAX_ADDED_TOKENS = LIMIT - ADDED
# Elements of a constant that may be stored several times.
SMALL = 256

# A map entry is `difference << LENGTH_BITS | length`.
LENGTH_BITS = 8
MAX_LENGTH = (1 << LENGTH_BITS) - 1
IDENTITY = 1


def constant(array: Any, dtype: Any = None) -> Any:
    """A constant for graphs: a numpy array if it is small, else an eager tensor.

    An eager tensor is stored once, but every branch in which it is used takes it as an argument,
    and arguments cost time also where the branch is not taken. A numpy array becomes a node of its
    own in each graph.
    """
    with tf.init_scope():
        tensor = tf.constant(array, dtype=dtype)
    small = tensor.dtype != tf.string and tensor.shape.num_elements() <= SMALL
    return tensor.numpy() if small else tensor


class ValueTable(tf.Module):
    """An int32 for every value of the stream.

    Args:
        values: int32 [at most 0x120000], indexed by value; missing ones are `default`.
        default: the value of barriers and of everything beyond `values`.
    """

    def __init__(self, values: np.ndarray, default: int = 0) -> None:
        super().__init__()
        full = np.full(LIMIT, default, np.int32)
        full[: len(values)] = values
        pages, inverse = _distinct_pages(full)
        # value + shift[value >> 8] is the index into the flattened distinct pages behind the shifts
        shift = len(inverse) + (inverse - np.arange(len(inverse))) * PAGE
        self._table = constant(np.concatenate([shift, pages.reshape(-1)]).astype(np.int32))

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [n]."""
        page = tf.bitwise.right_shift(stream, PAGE_BITS)
        return tf.gather(self._table, stream + tf.gather(self._table, page))


def _distinct_pages(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distinct pages [p, PAGE], the number of each page's distinct one)"""
    numbers: dict[bytes, int] = {}
    pages = values.reshape(-1, PAGE)
    inverse = [numbers.setdefault(page.tobytes(), len(numbers)) for page in pages]
    distinct = np.frombuffer(b"".join(numbers), values.dtype).reshape(-1, PAGE)
    return distinct, np.array(inverse)


class FlagTable(tf.Module):
    """A boolean for every value of the stream, false for barriers unless said otherwise."""

    def __init__(
        self, members: Sequence[int] | np.ndarray | set[int], barriers: bool = False
    ) -> None:
        super().__init__()
        flags = np.zeros(LIMIT, np.int32)
        flags[np.fromiter(members, np.int64)] = 1
        if barriers:
            flags[GAP:] = 1
        self._table = ValueTable(flags)

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> bool [n]."""
        return tf.cast(self._table(stream), tf.bool)


class MapTable(tf.Module):
    """Every code point becomes none, one or several; barriers stay.

    Args:
        changes: code point -> the code points it becomes, only for those that change.

    Raises:
        ValueError: a code point becomes more than 255.
    """

    def __init__(self, changes: Mapping[int, Sequence[int]]) -> None:
        super().__init__()
        sources = np.fromiter(changes, np.int64, len(changes))
        lengths = np.fromiter(map(len, changes.values()), np.int64, len(changes))
        for source in sources[lengths > MAX_LENGTH].tolist():
            raise ValueError(f"U+{source:04X} becomes {len(changes[source])} code points")
        first = np.empty_like(sources)
        first[lengths == 1] = [target[0] for target in changes.values() if len(target) == 1]
        several = [tuple(target) for target in changes.values() if len(target) != 1]
        places: dict[tuple[int, ...], int] = {}
        end = 0
        for target in several:
            if target not in places:
                places[target] = end
                end += len(target)
        first[lengths != 1] = [LIMIT + places[target] for target in several]
        pool = list(itertools.chain.from_iterable(places))
        self._only_single = not several
        entries = np.full(LIMIT, IDENTITY, np.int32)
        entries[sources] = ((first - sources) << LENGTH_BITS) | lengths
        self._table = ValueTable(entries, IDENTITY)
        self._pool = constant(np.array(pool or [0], np.int32))
        self.is_identity = not changes

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m]."""
        if self.is_identity:
            return stream
        entries = self._table(stream)
        first = stream + tf.bitwise.right_shift(entries, LENGTH_BITS)
        if self._only_single:
            return first
        lengths = tf.bitwise.bitwise_and(entries, MAX_LENGTH)
        return branch(
            tf.reduce_any(tf.not_equal(lengths, 1)),
            lambda: self._expand(first, lengths),
            lambda: first,
        )

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As a call; also from which element each one comes, and as its how manieth: int64 [m]."""
        entries = self._table(stream)
        first = stream + tf.bitwise.right_shift(entries, LENGTH_BITS)
        lengths = tf.cast(tf.bitwise.bitwise_and(entries, MAX_LENGTH), tf.int64)
        source = repeated(lengths)
        number = tf.range(tf.size(source, tf.int64))
        number -= tf.gather(tf.cumsum(lengths, exclusive=True), source)
        return self._expand(first, tf.cast(lengths, tf.int32)), source, number

    def _expand(self, first: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        # One range op makes the new text: ranges of the pool lie above LIMIT, a single code
        # point c is the range [c, c + 1), a dropped one is empty.
        """int32 [n], int32 [n] -> int32 [m]; `first` and `lengths` as in `__call__`."""
        values = tf.raw_ops.RaggedRange(
            starts=first, limits=first + lengths, deltas=tf.ones_like(first)
        ).rt_dense_values
        from_pool = tf.gather(self._pool, tf.maximum(values - LIMIT, 0))
        return tf.where(values >= LIMIT, from_pool, values)
