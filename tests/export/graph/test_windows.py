"""Windows against a plain rewriting of the rule, on random batches."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfmlm.export.graph.windows import place_windows, spread

MASK, PAD = 4, 0


def windows_of(rows, max_length, prefix=(2,), suffix=(3,)):
    ids = tf.constant([i for row in rows for i in row], tf.int32)
    splits = tf.constant(np.concatenate([[0], np.cumsum([len(r) for r in rows])]), tf.int64)
    return place_windows(
        ids,
        splits,
        mask_id=MASK,
        pad_id=PAD,
        prefix=prefix,
        suffix=suffix,
        max_length=max_length,
    )


def expected_row(row, room):
    first = row.index(MASK)
    start = max(0, min(first - room // 2, len(row) - room))
    return start, row[start : start + room]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([4, 5, 6, 7]), max_size=14), min_size=1, max_size=5),
    st.integers(4, 16),
    st.sampled_from([((2,), (3,)), ((), ()), ((2, 9), (3,)), ((), (3, 8))]),
)
def test_against_the_rule(rows, max_length, fixed):
    prefix, suffix = fixed
    room = max_length - len(prefix) - len(suffix)
    if room < 1:
        return
    found = windows_of(rows, max_length, prefix, suffix)
    active = [row for row in rows if MASK in row]
    indices, owners, slots, numbers = [], [], [], []
    seen = 0
    for number, row in enumerate(rows):
        masks = [i for i, token in enumerate(row) if token == MASK]
        if masks:
            start, window = expected_row(row, room)
            line = [*prefix, *window, *suffix]
            encoder_row = len(set(owners) | {number}) - 1
            encoder_row = [i for i, r in enumerate(rows) if MASK in r].index(number)
            assert found.input_ids[encoder_row].numpy().tolist()[: len(line)] == line
            assert found.attention_mask[encoder_row].numpy().sum() == len(line)
            assert set(found.input_ids[encoder_row].numpy().tolist()[len(line) :]) <= {PAD}
            for slot, place in enumerate(masks):
                if start <= place < start + room:
                    indices.append([encoder_row, place - start + len(prefix)])
                    owners.append(number)
                    slots.append(slot)
                    numbers.append(seen + slot)
        seen += len(masks)
    assert found.input_ids.shape[0] == max(len(active), 1)
    assert found.indices.numpy().tolist() == (indices or [[0, 0]])
    assert found.row.numpy().tolist() == owners
    assert found.slot.numpy().tolist() == slots
    assert found.mask.numpy().tolist() == numbers
    assert found.mask_count.numpy().tolist() == [row.count(MASK) for row in rows]
    assert found.truncated.numpy().tolist() == [len(row) > room for row in rows]


@pytest.mark.parametrize(("first", "begin"), [(0, 0), (4, 0), (6, 1), (30, 25), (95, 90), (99, 90)])
def test_first_mask_is_centred_as_far_as_the_text_allows(first, begin):
    row = list(range(100, 200))
    row[first] = MASK
    found = windows_of([row], 12)
    assert found.input_ids.numpy().tolist() == [[2, *row[begin : begin + 10], 3]]


def test_spread():
    assert spread(tf.constant([0, 2, 2, 5])).numpy().tolist() == [0, 0, 2, 2, 2]
