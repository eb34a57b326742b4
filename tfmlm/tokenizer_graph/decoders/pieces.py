"""Decoding by a table: the string of each id at each position of its row, probed from Rust."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfmlm.tokenizer_graph.ops.shift import positions_of
from tfmlm.tokenizer_graph.ops.tables import constant

MIDDLE, FIRST, LAST, ONLY = range(4)
# A private-use character that no decoder changes. It stands beside the probed token, so that Rust
# decodes that as the first, a middle or the last one of a row.
COMPANY = "\ue0b7"


def strings_by_position(
    tokens: Sequence[str], decode: Callable[[list[str]], str]
) -> list[tuple[str, str, str, str]]:
    """What each token becomes in the middle, as first, as last, and as only token of its row.

    Args:
        decode: the Rust decoder over a list of tokens, which treats each token by itself apart
            from its being the first or the last.
    """
    first = decode([COMPANY, COMPANY])
    at = first.index(COMPANY) + 1
    before, after = first[:at], first[at:]
    return [
        (
            _between(decode([COMPANY, token, COMPANY]), before, after),
            _between(decode([token, COMPANY]), "", after),
            _between(decode([COMPANY, token]), before, ""),
            decode([token]),
        )
        for token in tokens
    ]


def _between(text: str, before: str, after: str) -> str:
    if not (text.startswith(before) and text.endswith(after)):
        raise AssertionError(f"a decoder changed its neighbours: {text!r}")
    return text[len(before) : len(text) - len(after)]


class PieceTable(tf.Module):
    """The string that each id contributes, by its position in its row.

    Args:
        positions: strings of each id in the middle, as first, as last, as only token.
    """

    def __init__(self, positions: Sequence[tuple[bytes, ...]]) -> None:
        super().__init__()
        strings: dict[bytes, int] = {b"": 0}
        columns = [
            [strings.setdefault(position[column], len(strings)) for position in positions] + [0]
            for column in range(4)
        ]
        self._strings = constant(list(strings))
        self._middle = constant(columns[MIDDLE], tf.int32)
        same = all(column == columns[MIDDLE] for column in columns)
        self._all = None if same else constant(columns, tf.int32)

    def __call__(self, ids: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """Ids int32 [m] in rows (int64 [batch + 1]) -> tf.string [m]."""
        if self._all is None:
            return tf.gather(self._strings, tf.gather(self._middle, ids))
        full = positions_of(splits[1:] > splits[:-1])
        ones = tf.ones_like(full, tf.int32)
        ends = [tf.gather(splits[:-1], full), tf.gather(splits[1:], full) - 1]
        position = tf.scatter_nd(
            tf.concat(ends, 0)[:, tf.newaxis],
            tf.concat([ones * FIRST, ones * LAST], 0),
            tf.shape(ids, tf.int64),
        )
        return tf.gather(self._strings, tf.gather_nd(self._all, tf.stack([position, ids], 1)))
