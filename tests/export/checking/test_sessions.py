"""Which session answers which signature."""

import numpy as np
import pytest

from tests.export.exported import bert
from tfmlm.export.checking.sessions import OPTIMIZED, Sessions
from tfmlm.export.contract import SIGNATURES
from tfmlm.export.loader import LoadedFillMask

TEXTS = np.array([b"Paris is the [MASK] of France.", b"no mask"], object)
INPUTS = {
    "serving_default": {"text": TEXTS},
    "fill_mask_top_k": {"text": TEXTS, "top_k": np.array([2, 5], np.int32)},
    "fill_mask_ids": {
        "input_ids": np.array([[101, 103, 102]], np.int32),
        "attention_mask": np.ones([1, 3], np.int32),
    },
}


def test_both_kinds_answer_alike_and_one_is_open_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bert().path  # made before what opens sessions is watched
    opened, closed = [], []
    init, close = LoadedFillMask.__init__, LoadedFillMask.close

    def opening(self, folder, **options) -> None:
        opened.append(options["optimized"])
        init(self, folder, **options)

    def closing(self) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(LoadedFillMask, "__init__", opening)
    monkeypatch.setattr(LoadedFillMask, "close", closing)
    sessions = Sessions(folder)
    plain = sessions.loaded(optimized=False)
    expected = {name: plain.predict(name, inputs) for name, inputs in INPUTS.items()}
    assert opened == [False]
    for signature in OPTIMIZED:
        found = sessions.predict(signature, INPUTS[signature])
        for name, value in found.items():
            if value.dtype.kind == "f":
                assert np.allclose(value, expected[signature][name], atol=1e-6)
            else:
                assert np.array_equal(value, expected[signature][name])
    assert opened == [False, True] and closed == [plain]
    assert set(OPTIMIZED) < set(SIGNATURES)
    with pytest.raises(RuntimeError, match="closed"):
        plain.predict("serving_default", INPUTS["serving_default"])
