"""Lets transformers 4.57 read PyTorch-layout safetensors into TF models without PyTorch.

`load_pytorch_state_dict_in_tf2_model` iterates over the archive that `safe_open` returns, which
cannot be iterated: https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/modeling_tf_pytorch_utils.py#L333
Where an archive comes in, a view of it that can be iterated goes on; names that begin with the
wrapper of a model (`_orig_mod.`, `module.`, `model.`) are shown without it.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import wrapt

from tfmlm.checkpoint.names import without_wrappers

_MODULE = "transformers.modeling_tf_pytorch_utils"
_FUNCTION = "load_pytorch_state_dict_in_tf2_model"


class _Weights(threading.local):
    """Notes for the user of the load that runs in this thread; None: nobody reads them."""

    notes: list[str] | None = None


_loading = _Weights()


@contextlib.contextmanager
def collected_notes() -> Iterator[list[str]]:
    """A list that is filled with what was done to names while models are loaded."""
    before, _loading.notes = _loading.notes, []
    try:
        yield _loading.notes
    finally:
        _loading.notes = before


class _Archive:
    """A safetensors archive, or a dict of arrays, under other names."""

    def __init__(self, archive: Any, names: dict[str, str]) -> None:
        """Names as they are shown -> names in the archive."""
        self._archive, self._names = archive, names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def get_tensor(self, name: str) -> Any:
        stored = self._names[name]
        if hasattr(self._archive, "get_tensor"):
            return self._archive.get_tensor(stored)
        return self._archive[stored]


def repair_loader_when_imported() -> None:
    """Repairs transformers' loader as soon as transformers imports it."""
    wrapt.when_imported(_MODULE)(_repair)


def _repair(module: ModuleType) -> None:
    original = getattr(module, _FUNCTION)

    @functools.wraps(original)
    def load(tf_model: Any, pt_state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        names, wrappers = without_wrappers(pt_state_dict.keys(), tf_model.base_model_prefix)
        if wrappers:
            _note(f"The names of the weights without {', '.join(w + '.' for w in wrappers)}")
        return original(tf_model, _Archive(pt_state_dict, names), *args, **kwargs)

    setattr(module, _FUNCTION, load)


def _note(text: str) -> None:
    notes = _loading.notes
    if notes is not None and text not in notes:
        notes.append(text)
