"""What a weight of a TF model is called in PyTorch's layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: What torch.compile, DistributedDataParallel and trainers put before the names.
_WRAPPERS = ("_orig_mod", "module")
_OWNER = "model"


def pytorch_names(model: Any, variable: Any) -> tuple[str, ...]:
    """The names under which a checkpoint may hold a variable, PyTorch's own first."""
    from transformers.modeling_tf_pytorch_utils import convert_tf_weight_name_to_pt_weight_name

    name, _ = convert_tf_weight_name_to_pt_weight_name(
        variable.name, tf_weight_shape=variable.shape
    )
    rename = getattr(model, "tf_to_pt_weight_rename", None)
    return (name,) if rename is None else tuple(rename(name))


def without_wrappers(names: Iterable[str], base_prefix: str) -> tuple[dict[str, str], list[str]]:
    """Names without what wrappers of a model put before them.

    Args:
        names: those in a checkpoint.
        base_prefix: `base_model_prefix` of the model's class; ModernBERT's own is `model`.

    Returns:
        Name without wrapper -> name in the checkpoint, and the wrappers that were found.
    """
    found: dict[str, str] = {}
    wrappers: list[str] = []
    for name in names:
        parts = name.split(".")
        kept = [part for part in parts if part != _WRAPPERS[0]]
        while len(kept) > 1 and (
            kept[0] == _WRAPPERS[1]
            # ModernBERT in a trainer's attribute `model` has it twice.
            or (kept[0] == _OWNER and (base_prefix != _OWNER or kept[1] in (_OWNER, _WRAPPERS[1])))
        ):
            kept.pop(0)
        for wrapper in {*parts} & {*_WRAPPERS, _OWNER}:
            if parts.count(wrapper) > kept.count(wrapper) and wrapper not in wrappers:
                wrappers.append(wrapper)
        clean = ".".join(kept)
        if clean not in found or clean == name:
            found[clean] = name
    return found, sorted(wrappers)
