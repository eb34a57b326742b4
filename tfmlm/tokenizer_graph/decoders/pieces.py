"""Decoding by a table: the string of each id at each place of its row, probed from Rust."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfmlm.tokenizer_graph.tables import constant

MIDDLE, FIRST, LAST, ONLY = range(4)


class PieceTable(tf.Module):
    """The string that a token contributes, given whether it is the first or last of its row.

    Args:
        tokens: the token of each id, `None` where an id has none (it contributes nothing).
        decode: the Rust decoder over a list of tokens, which treats each token by itself apart
            from its being the first or the last.
    """

    def __init__(self, tokens: Sequence[str | None], decode: Callable[[list[str]], bytes]) -> None:
        super().__init__()
        probe = "x"  # a token that no decoder changes, for company
        before = decode([probe, probe])[: len(decode([probe]))]
        after_last = decode([probe, probe])[len(before) :]
        between = len(decode([probe, probe, probe])) - len(before) - len(after_last)
        middle_probe = decode([probe, probe, probe])[len(before) : len(before) + between]
        strings: dict[bytes, int] = {b"": 0}
        columns: list[list[int]] = [[], [], [], []]
        for token in tokens:
            if token is None:
                pieces = [b""] * 4
            else:
                pieces = [
                    _between(decode([probe, token, probe]), before, after_last),
                    _between(decode([token, probe]), b"", after_last),
                    _between(decode([probe, token]), before, b""),
                    decode([token]),
                ]
            for column, piece in zip(columns, pieces, strict=True):
                column.append(strings.setdefault(piece, len(strings)))
        del middle_probe
        self.size = len(tokens)
        self._strings = constant(list(strings))
        columns = [[*column, 0] for column in columns]  # the last entry: ids out of range
        self._middle = constant(columns[MIDDLE], tf.int32)
        self._special = columns[FIRST] != columns[MIDDLE] or columns[LAST] != columns[MIDDLE]
        self._special = self._special or columns[ONLY] != columns[MIDDLE]
        self._all = constant(columns, tf.int32) if self._special else None

    def __call__(self, ids: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """Valid ids int32 [m] in rows (int64 [batch + 1]) -> tf.string [m]."""
        if self._all is None:
            return tf.gather(self._strings, tf.gather(self._middle, ids))
        count = tf.size(ids, tf.int64)
        full = tf.where(splits[1:] > splits[:-1])[:, 0]
        ones = tf.ones_like(full, tf.int32)
        place = tf.scatter_nd(
            tf.concat([tf.gather(splits[:-1], full), tf.gather(splits[1:], full) - 1], 0)[
                :, tf.newaxis
            ],
            tf.concat([ones * FIRST, ones * LAST], 0),
            count[tf.newaxis],
        )
        return tf.gather(self._strings, tf.gather_nd(self._all, tf.stack([place, ids], 1)))


def _between(text: bytes, before: bytes, after: bytes) -> bytes:
    if not (text.startswith(before) and text.endswith(after)):
        raise AssertionError(f"a decoder changed its neighbours: {text!r}")
    return text[len(before) : len(text) - len(after)]
