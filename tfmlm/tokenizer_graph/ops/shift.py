"""Small vector operations, in as few ops as can be: at batch 1 their number is the cost."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def previous(values: tf.Tensor, first: int) -> tf.Tensor:
    """Each element's predecessor, [n] -> [n]; the first one's is `first`."""
    return tf.concat([tf.cast([first], values.dtype), values], 0)[:-1]


def following(values: tf.Tensor, last: int) -> tf.Tensor:
    """Each element's successor, [n] -> [n]; the last one's is `last`."""
    return tf.concat([values, tf.cast([last], values.dtype)], 0)[1:]


def positions_of(flags: tf.Tensor) -> tf.Tensor:
    """Where flags (bool [n]) are true, int64 [m]."""
    return tf.reshape(tf.where(flags), [-1])


def kept(values: tf.Tensor, flags: tf.Tensor) -> tf.Tensor:
    """The values ([n] or [n, k]) at which flags (bool [n]) are true, [m] or [m, k].

    `tf.boolean_mask` in three ops in place of fifteen.
    """
    return tf.gather(values, positions_of(flags))


def closure(reached: tf.Tensor, jump: tf.Tensor) -> tf.Tensor:
    """What is reached (bool [n]) from what is, by any number of jumps.

    The jumps that are followed at once double in every round.

    Args:
        jump: int64 [n], where each element leads; to itself if it leads nowhere.
    """

    def step(
        reached: tf.Tensor, jump: tf.Tensor, todo: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        targets = column(kept(jump, reached))
        flags = tf.fill(tf.shape(targets)[:1], True)
        return (
            tf.tensor_scatter_nd_update(reached, targets, flags),
            tf.gather(jump, jump),
            todo // 2,
        )

    size = tf.size(jump, tf.int64)
    return tf.while_loop(lambda reached, jump, todo: todo > 0, step, (reached, jump, size))[0]


def column(values: tf.Tensor) -> tf.Tensor:
    """[n] -> [n, 1], as scatter ops want their indices."""
    return tf.expand_dims(values, 1)


def repeated(counts: tf.Tensor) -> tf.Tensor:
    """Each index as often as `counts` (int64 [n]) says, int64 [m]: [2, 0, 1] -> [0, 0, 2]."""
    ends = tf.cumsum(counts)
    total = tf.reduce_sum(counts)
    return upper_bound(ends, tf.range(total))


def lower_bound(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """How many elements of `ascending` [n] are less than each value [m], int64 [m].

    `tf.searchsorted` without the ops with which it takes any shape.
    """
    return _bound(tf.raw_ops.LowerBound, ascending, values)


def upper_bound(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """How many elements of `ascending` [n] are at most each value [m], int64 [m]."""
    return _bound(tf.raw_ops.UpperBound, ascending, values)


def _bound(op: Callable[..., tf.Tensor], ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """[n], [m] -> int64 [m]."""
    rows = tf.expand_dims(ascending, 0), tf.expand_dims(values, 0)
    return tf.squeeze(op(sorted_inputs=rows[0], values=rows[1], out_type=tf.int64), 0)
