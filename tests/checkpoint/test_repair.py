"""Archives go into transformers' loader as what it takes: names that can be iterated."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from tfmlm.checkpoint._repair import _repair, collected_notes

ARRAYS = {
    "module._orig_mod.bert.a": np.arange(3.0),
    "module._orig_mod.bert.layer.module.b": np.ones([2, 2]),
    "cls.bias": np.zeros(1),
}
#: Without wrappers, which may stand at the head only, `_orig_mod` anywhere.
NAMES = {"bert.a", "bert.layer.module.b", "cls.bias"}


def load(model: Any, archive: Any, extra: int = 0, *, option: bool = False) -> Any:
    """Reads an archive as transformers' function does."""
    return {name: archive.get_tensor(name) for name in archive}, extra, option


@pytest.fixture
def loader() -> Any:
    module = ModuleType("loader")
    module.load_pytorch_state_dict_in_tf2_model = load
    _repair(module)
    return module.load_pytorch_state_dict_in_tf2_model


@pytest.mark.parametrize("kind", ["archive", "dict"])
def test_every_tensor_is_found_by_its_name_without_wrappers(
    loader: Any, kind: str, tmp_path: Path
) -> None:
    save_file(ARRAYS, tmp_path / "x.safetensors")
    model = SimpleNamespace(base_model_prefix="bert")
    with collected_notes() as notes, safe_open(tmp_path / "x.safetensors", "np") as archive:
        if kind == "archive":
            with pytest.raises(TypeError):  # what is repaired here
                iter(archive)
        found, *rest = loader(model, archive if kind == "archive" else ARRAYS, 7, option=True)
        loader(model, ARRAYS)
    assert rest == [7, True]
    assert found.keys() == NAMES
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name.removeprefix("module._orig_mod.")], array)
    assert notes == ["The names of the weights without _orig_mod., module."]


def test_notes_are_those_of_the_block_and_plain_names_give_none(loader: Any) -> None:
    model = SimpleNamespace(base_model_prefix="bert")
    with collected_notes() as outer:
        with collected_notes() as inner:
            loader(model, ARRAYS)
        loader(model, {"bert.a": np.zeros(1)})
        assert (len(inner), outer) == (1, [])
        loader(model, ARRAYS)
    assert outer == inner
    loader(model, ARRAYS)
    assert len(outer) == 1


def test_transformers_own_loader_is_repaired() -> None:
    from transformers import modeling_tf_pytorch_utils

    repaired = modeling_tf_pytorch_utils.load_pytorch_state_dict_in_tf2_model
    assert repaired.__code__.co_filename.endswith("_repair.py")
    assert repaired.__wrapped__.__module__ == modeling_tf_pytorch_utils.__name__
