"""What an answer will have, told before it is made, against answers that were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serve import toy_model
from tfmlm.serve.answer_size import ExportFacts, bytes_of, expected_bytes, require_answer_fits
from tfmlm.serve.json_tensors import write_outputs
from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError


@pytest.mark.parametrize(
    "request_",
    [
        {"text": ["a [MASK] b " * 20] * 30},
        {"text": ["[MASK]" * 50, "", "x"] * 5},
        {"text": ["the [MASK] of"] * 100, "top_k": [2**31 - 1] * 100},
        {"text": ["the [MASK] of"] * 10, "targets": [toy_model.WORDS] * 10},
    ],
)
def test_estimates_are_near_the_answer(
    toy_versions: Path, tmp_path: Path, request_: dict[str, Any]
) -> None:
    folder = toy_model.copy_version(toy_versions / "1", tmp_path, 1)
    toy_model.write_record(folder)
    servable = Servable.load("mlm", 1, folder)
    assert servable.facts is not None
    name = next((f"fill_mask_{key}" for key in request_ if key != "text"), "serving_default")
    signature = servable.meta_graph.signature_def[name]
    arrays = {
        key: np.array(value, np.int32 if key == "top_k" else object)
        for key, value in request_.items()
    }
    arrays = {
        key: np.vectorize(str.encode, otypes=[object])(value) if value.dtype == object else value
        for key, value in arrays.items()
    }
    aliases = sorted(signature.outputs)
    outputs = servable.run(
        {signature.inputs[key].name: value for key, value in arrays.items()},
        [signature.outputs[alias].name for alias in aliases],
        60_000,
    )
    written = len(write_outputs(dict(zip(aliases, outputs, strict=True)), by_rows=False))
    assert 0.4 < expected_bytes(servable.facts, arrays) / written < 2.5
    assert 0.4 < bytes_of(outputs, 1 << 40) / written < 2.5
    servable.close()


def test_limit() -> None:
    require_answer_fits(10, 10)
    with pytest.raises(StatusError, match="about 11 bytes; this server gives at most 10 bytes"):
        require_answer_fits(11, 10)
    many = [np.zeros([1000, 1000], np.float32)]
    assert bytes_of(many, 100) > 100  # without a look at the values


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "[" * 100_000, '{"tokenizer": 1}', "\xff"])
def test_no_facts(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "assets.extra").mkdir()
    if text is not None:
        (tmp_path / "assets.extra" / "tfmlm.json").write_bytes(text.encode("latin-1"))
    assert ExportFacts.read(tmp_path) is None
