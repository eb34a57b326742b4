"""The head on some masks at a time gives what it gives on all at once."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import small_model
from tfmlm.export.encoder.packed import PackedPredictor
from tfmlm.export.graph.candidates import Pieces, best_columns
from tfmlm.export.graph.fill_mask import FillMask
from tfmlm.export.graph.settings import ExportSettings

VOCABULARY, HIDDEN, PIECE = 50, 8, 7
WEIGHTS = np.random.default_rng(0).normal(size=[HIDDEN, VOCABULARY]).astype(np.float32)


def pieces(seen):
    def logits(hidden):
        tf.py_function(lambda h: seen.append(len(h)), [hidden], [])
        return tf.matmul(hidden, WEIGHTS)

    return Pieces(logits, PIECE)


def hidden_states(masks):
    return np.random.default_rng(1).normal(size=[masks, HIDDEN]).astype(np.float32)


@pytest.mark.parametrize("masks", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 2])
def test_top_k_at_sizes_around_a_piece(masks):
    seen = []
    hidden = hidden_states(masks)
    score, token = tf.function(pieces(seen).top_k)(hidden, tf.constant(5))
    expected = tf.nn.softmax(hidden @ WEIGHTS).numpy()
    best = np.argsort(-expected, axis=1)[:, :5]
    assert token.numpy().tolist() == best.tolist()
    np.testing.assert_allclose(score, np.take_along_axis(expected, best, 1), atol=1e-6)
    assert max(seen) <= PIECE
    assert sum(seen) == masks


@pytest.mark.parametrize("columns", [100, 2559, 2560, 2561, 30522])
@pytest.mark.parametrize("distinct", [3, 1000, 10**9])
def test_best_columns_as_top_k(columns, distinct):
    """Of equal values, which few distinct ones make many of, the first columns."""
    values = np.random.default_rng(3).integers(0, distinct, [7, columns]).astype(np.float32)
    values[0] = -np.inf
    values[1, -1] = 2 * distinct
    found = tf.function(lambda v: best_columns(v, tf.constant(5)))(values)
    expected = tf.math.top_k(values, 5)
    assert np.array_equal(found[0], expected.values)
    assert np.array_equal(found[1], expected.indices)


def test_best_columns_are_columns_whatever_the_values():
    """One beyond the vocabulary would fail the whole batch where its string is looked up."""
    values = np.full([2, 30522], -np.inf, np.float32)
    values[0, -1] = 1.0  # the last group of columns, which is not a whole one, is looked at
    values[1] = np.nan
    found = tf.function(lambda v: best_columns(v, tf.constant(5)))(values)
    assert np.all((found[1] >= 0) & (found[1] < 30522))
    assert found[1][0, 0] == 30521


@pytest.mark.parametrize("masks", [0, 1, PIECE, PIECE + 1, 2 * PIECE + 3])
def test_targets_at_sizes_around_a_piece(masks):
    hidden = hidden_states(max(masks, 1))
    token = np.random.default_rng(2).integers(-1, VOCABULARY, [masks, 4]).astype(np.int32)
    score, ranked, valid = tf.function(pieces([]).targets)(hidden, token)
    expected = tf.nn.softmax(hidden @ WEIGHTS).numpy()
    assert score.shape == ranked.shape == (max(masks, 1), 4)
    for row in range(masks):
        chosen = {t for t in token[row].tolist() if t >= 0}
        order = sorted(chosen, key=lambda t: -expected[row, t])
        assert valid[row] == len(order)
        assert ranked[row, : len(order)].numpy().tolist() == order
        np.testing.assert_allclose(score[row, : len(order)], expected[row][order], atol=1e-6)


def test_a_row_full_of_masks_is_cut_into_pieces():
    model = small_model("bert")
    settings = {"vocab_size": 99, "mask_id": 4, "pad_id": 0, "unk_id": 3, "max_length": 64}
    ids = np.full([2, 60], 4, np.int32)
    outputs = []
    for held in (99 * 1000, 99 * 16):  # all masks at once, and 16 at a time
        own = ExportSettings(**settings, piece_logits=held)
        fill = FillMask(PackedPredictor(model, None), own)
        outputs.append(tf.function(fill.fill_ids, autograph=False)(ids, np.ones_like(ids)))
    one, other = outputs
    assert one["token"].shape == (2, 60, 5)
    assert np.array_equal(one["token"], other["token"])
    np.testing.assert_allclose(one["score"], other["score"], atol=1e-6)
