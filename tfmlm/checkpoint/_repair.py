"""Lets transformers 4.57 read PyTorch-layout safetensors into TF models without PyTorch.

`load_pytorch_state_dict_in_tf2_model` iterates over the archive that `safe_open` returns, which
cannot be iterated: https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/modeling_tf_pytorch_utils.py#L333
Where an archive comes in, a view of it that can be iterated goes on.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import wrapt

_MODULE = "transformers.modeling_tf_pytorch_utils"
_FUNCTION = "load_pytorch_state_dict_in_tf2_model"


class _IterableArchive:
    """A safetensors archive whose iteration gives the tensors' names."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.keys())

    def get_tensor(self, name: str) -> Any:
        return self._archive.get_tensor(name)


def repair_loader_when_imported() -> None:
    """Repairs transformers' loader as soon as transformers imports it."""
    wrapt.when_imported(_MODULE)(_repair)


def _repair(module: ModuleType) -> None:
    original = getattr(module, _FUNCTION)

    @functools.wraps(original)
    def load(tf_model: Any, pt_state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(pt_state_dict, "get_tensor") and not hasattr(pt_state_dict, "__iter__"):
            pt_state_dict = _IterableArchive(pt_state_dict)
        return original(tf_model, pt_state_dict, *args, **kwargs)

    setattr(module, _FUNCTION, load)
