"""Small vector operations against NumPy."""

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph.ops import shift


def test_neighbours() -> None:
    for values in ([], [7], [1, 2, 3]):
        tensor = tf.constant(values, tf.int32)
        assert shift.previous(tensor, -1).numpy().tolist() == [-1, *values][:-1]
        assert shift.following(tensor, -1).numpy().tolist() == [*values, -1][1:]
    flags = tf.constant([True, False])
    assert shift.previous(flags, False).numpy().tolist() == [False, True]


def test_positions_and_columns() -> None:
    flags = np.array([False, True, True, False, True])
    assert shift.positions_of(tf.constant(flags)).numpy().tolist() == np.flatnonzero(flags).tolist()
    assert shift.column(tf.constant([3, 4])).shape == (2, 1)


def test_repeated_as_in_numpy() -> None:
    for counts in ([], [0], [2, 0, 1], [0, 0, 3, 1, 0]):
        got = shift.repeated(tf.constant(counts, tf.int64)).numpy()
        assert got.tolist() == np.repeat(np.arange(len(counts)), counts).tolist()


def test_bounds_as_in_numpy() -> None:
    rng = np.random.default_rng(0)
    ascending, values = np.sort(rng.integers(0, 20, 15)), rng.integers(-2, 23, 40)
    for call, side in ((shift.lower_bound, "left"), (shift.upper_bound, "right")):
        got = call(tf.constant(ascending), tf.constant(values))
        assert got.dtype == tf.int64
        assert got.numpy().tolist() == np.searchsorted(ascending, values, side).tolist()


def test_kept_as_a_boolean_mask() -> None:
    rng = np.random.default_rng(1)
    for shape in ((0,), (9,), (9, 2)):
        values, flags = rng.integers(0, 50, shape), rng.random(shape[0]) < 0.5
        got = shift.kept(tf.constant(values), tf.constant(flags))
        assert got.numpy().tolist() == values[flags].tolist()


def test_closure_as_one_jump_after_another() -> None:
    rng = np.random.default_rng(2)
    for size in (1, 2, 7, 40):
        jump, reached = rng.integers(0, size, size), rng.random(size) < 0.2
        wanted = reached.copy()
        for start in np.flatnonzero(reached):
            at = start
            for _ in range(size):
                at = jump[at]
                wanted[at] = True
        got = shift.closure(tf.constant(reached), tf.constant(jump))
        assert got.numpy().tolist() == wanted.tolist()
