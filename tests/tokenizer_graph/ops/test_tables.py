"""Paged tables against dictionaries, over all values that a stream may hold."""

import numpy as np
import pytest
import tensorflow as tf

from tfmlm.tokenizer_graph.component import ADDED, GAP, ROW
from tfmlm.tokenizer_graph.ops.tables import LIMIT, FlagTable, MapTable, ValueTable, constant

ASKED = [0, 1, 97, 255, 256, 0x3FFF, 0xFFFF, 0x10FFFF, GAP, ROW, ADDED, ADDED + 60000]


def _asked(extra=()) -> tf.Tensor:
    return tf.constant([*ASKED, *extra], tf.int32)


def test_values() -> None:
    values = np.random.default_rng(0).integers(-9, 9, 0x4000).astype(np.int32)
    got = ValueTable(values, default=77)(_asked()).numpy().tolist()
    assert got == [int(values[c]) if c < len(values) else 77 for c in ASKED]
    every = ValueTable(values, 77)(tf.range(LIMIT)).numpy()
    assert (every[: len(values)] == values).all() and (every[len(values) :] == 77).all()


def test_flags_and_barriers() -> None:
    members = {97, 0xFFFF, 0x10FFFF}
    got = FlagTable(members)(_asked()).numpy().tolist()
    assert got == [c in members for c in ASKED]
    got = FlagTable(members, barriers=True)(_asked()).numpy().tolist()
    assert got == [c in members or c >= GAP for c in ASKED]


@pytest.mark.parametrize(
    "changes",
    [{}, {97: (65,), 0x10FFFF: (0,)}, {97: (), 98: (1, 2, 3), 256: (0x10FFFF, 97), 99: (1, 2, 3)}],
)
def test_maps(changes: dict[int, tuple[int, ...]]) -> None:
    stream = [*ASKED, 98, 99, 97]
    targets = [changes.get(c, (c,)) for c in stream]
    table = MapTable(changes)
    assert table(_asked(stream[-3:])).numpy().tolist() == [c for t in targets for c in t]
    values, sources, number = table.with_sources(_asked(stream[-3:]))
    assert values.numpy().tolist() == [c for t in targets for c in t]
    assert sources.numpy().tolist() == [k for k, t in enumerate(targets) for _ in t]
    assert number.numpy().tolist() == [n for t in targets for n in range(len(t))]


def test_a_code_point_that_becomes_too_many() -> None:
    with pytest.raises(ValueError, match=r"U\+0061 becomes 256"):
        MapTable({97: [1] * 256})


def test_only_large_constants_and_strings_are_tensors() -> None:
    assert isinstance(constant([1, 2]), np.ndarray)
    assert tf.is_tensor(constant(np.zeros(257))) and tf.is_tensor(constant(["a"]))


def test_constants_made_while_a_graph_is_traced() -> None:
    made = {}

    @tf.function
    def first() -> tuple[tf.Tensor, tf.Tensor]:
        made["few"], made["many"] = constant([7, 2]), constant(np.arange(300))
        return tf.gather(made["few"], 0), tf.gather(made["many"], 299)

    assert [int(value) for value in first()] == [7, 299]
    assert isinstance(made["few"], np.ndarray) and int(made["many"][299]) == 299
