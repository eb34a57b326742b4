"""A request that is run in parts gets the answer of one that is run whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serve import toy_model
from tfmlm.serve import splitting
from tfmlm.serve.servable import Servable

TEXTS = [
    b"the [MASK] of france .",
    b"",
    b"no mask",
    b"[MASK] [MASK] [MASK] is the [MASK]",
    b"paris " * 60 + b"[MASK]",
    b"x" * 70_000,
    b"the [MASK]",
]


def test_parts_are_the_whole(
    toy_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy_model.copy_version(toy_versions / "1", tmp_path, 1)
    toy_model.write_record(folder)
    assert_parts_are_the_whole(folder, monkeypatch)


def test_other_models_are_run_whole(toy_versions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "PART_BYTES", 1)
    servable = Servable.load("mlm", 1, toy_versions / "1")
    assert servable.facts is None and servable._splitter is None
    servable.close()


def assert_parts_are_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every signature of an export that fills masks."""
    servable = Servable.load("mlm", 1, folder)
    runs: list[int] = []
    run_once = servable._run

    def counted(feeds: Any, fetches: Any, timeout_ms: int) -> Any:
        runs.append(len(next(iter(feeds.values()))))
        return run_once(feeds, fetches, timeout_ms)

    monkeypatch.setattr(servable, "_run", counted)
    rng = np.random.default_rng(0)
    text = np.array(TEXTS, object)
    ids = rng.integers(0, 22, [7, 12]).astype(np.int32)
    inputs = {
        "serving_default": {"text": text},
        "fill_mask_top_k": {"text": text, "top_k": np.array([1, 9, 2, 3, 4, 1, 2], np.int32)},
        "fill_mask_targets": {
            "text": text,
            "targets": np.array([[b"paris", b""], [b"city", b"heart"]] * 3 + [[b"a", b""]], object),
        },
        "fill_mask_ids": {"input_ids": ids, "attention_mask": np.ones_like(ids)},
    }
    for name, arrays in inputs.items():
        signature = servable.meta_graph.signature_def[name]
        feeds = {signature.inputs[alias].name: array for alias, array in arrays.items()}
        fetches = [info.name for _, info in sorted(signature.outputs.items())]
        monkeypatch.setattr(splitting, "PART_BYTES", 1 << 30)
        runs.clear()
        whole = servable.run(feeds, fetches, 60_000)
        assert runs == [7]
        monkeypatch.setattr(splitting, "PART_BYTES", 100)
        runs.clear()
        parts = servable.run(feeds, fetches, 60_000)
        assert len(runs) > 2 and sum(runs) == 7
        for one, other in zip(whole, parts, strict=True):
            assert one.dtype == other.dtype and one.shape == other.shape
            if one.dtype.kind == "f":
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)
            else:
                assert one.tolist() == other.tolist()
    servable.close()
