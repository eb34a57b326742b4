"""Encoders that padding touches are found out, and run on rows of equal length."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.export.encoder.small_encoders import VOCABULARY, Mean
from tfmlm.export.encoder.padding import EqualLengths, padding_is_neutral
from tfmlm.export.graph.settings import ExportSettings


@pytest.mark.parametrize("max_length", [10, 32])
@pytest.mark.parametrize("touching", [False, True])
def test_neighbours_of_padding_are_touched_by_it(touching: bool, max_length: int) -> None:
    settings = ExportSettings(
        vocab_size=VOCABULARY, mask_id=4, pad_id=1, unk_id=3, max_length=max_length
    )
    assert padding_is_neutral(Mean(touching), settings) == (not touching)


@pytest.mark.parametrize("traced", [False, True])
def test_rows_of_mixed_lengths_are_run_as_if_alone(traced: bool) -> None:
    encoder = Mean(touching=True)
    equal = EqualLengths(encoder)
    generator = np.random.default_rng(1)
    rows = [generator.integers(5, VOCABULARY, length) for length in (12, 5, 20, 5, 1)]
    ids = np.ones([5, 20], np.int32)
    mask = np.zeros([5, 20], np.int32)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    places = [(0, 0), (0, 11), (1, 0), (2, 0), (2, 7), (2, 19), (3, 4), (4, 0)]
    ints = tf.TensorSpec([None, None], tf.int32)
    run = tf.function(equal, input_signature=[ints] * 3, autograph=False) if traced else equal
    found = run(tf.constant(ids), tf.constant(mask), tf.constant(places, tf.int32))
    expected = [encoder.expected(rows[row], place) for row, place in places]
    np.testing.assert_allclose(found, expected, atol=1e-5)
