"""Constants of an export: defaults of the contract, and limits in the sizes they stand for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfmlm.export.contract import DEFAULT_MAX_TEXT_BYTES, DEFAULT_TOP_K
from tfmlm.export.graph.settings import ExportSettings

SIZES = {"vocab_size": 9, "mask_id": 4, "pad_id": 0, "unk_id": 1, "max_length": 16}


def test_special_ids_are_marked_by_id() -> None:
    assert ExportSettings(**SIZES).is_special() == [False] * 9
    special = ExportSettings(**SIZES, special_ids=(0, 4, 8, 99)).is_special()
    assert np.flatnonzero(special).tolist() == [0, 4, 8]
    assert len(special) == 9


def test_defaults_and_limits() -> None:
    settings = ExportSettings(**SIZES)
    assert (settings.top_k, settings.max_text_bytes) == (DEFAULT_TOP_K, DEFAULT_MAX_TEXT_BYTES)
    assert settings.max_top_k == np.iinfo(np.int32).max
    assert settings.max_sequence_tokens == 512 * 32_768  # one mask, every word, 512 tokens
    assert settings.piece_logits * np.dtype(np.float32).itemsize == 32 * 2**20
    assert settings.max_candidates * 56 < 2**29
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.top_k = 1  # type: ignore[misc]
