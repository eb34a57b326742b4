"""Signatures have the contract's names, dtypes and ranks, and answer by name."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tests.export.encoder.small_encoders import VOCABULARY, Mean
from tfmlm.export.contract import SIGNATURES
from tfmlm.export.graph.fill_mask import FillMask
from tfmlm.export.graph.settings import ExportSettings
from tfmlm.export.graph.signatures import build_signatures


def test_without_a_tokenizer_ids_are_answered_alone() -> None:
    encoder = Mean(touching=False)
    settings = ExportSettings(
        vocab_size=VOCABULARY, mask_id=4, pad_id=1, unk_id=3, max_length=16, top_k=3
    )
    signatures = build_signatures(FillMask(encoder, settings))
    assert list(signatures) == ["fill_mask_ids"]
    function = signatures["fill_mask_ids"].get_concrete_function()
    inputs, outputs = SIGNATURES["fill_mask_ids"]
    given = {t.name.split(":")[0]: (t.dtype.name, t.shape.rank) for t in function.inputs[:2]}
    assert given == inputs
    shapes = function.structured_outputs
    assert {name: (t.dtype.name, t.shape.rank) for name, t in shapes.items()} == outputs
    row = np.array([7, 4, 9, 4], np.int32)
    found = function(input_ids=tf.constant([row]), attention_mask=tf.ones([1, 4], tf.int32))
    assert found["mask_position"].numpy().tolist() == [[1, 3]]
    for slot, place in enumerate((1, 3)):
        logits = encoder.expected(row, place)
        best = np.argsort(-logits)[:3]
        share = np.exp(logits - logits.max())
        assert found["token"][0, slot].numpy().tolist() == best.tolist()
        np.testing.assert_allclose(found["score"][0, slot], (share / share.sum())[best], atol=1e-5)
