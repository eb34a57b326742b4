"""The masked LM inside whatever wraps it."""

from __future__ import annotations

from typing import Any

from tfmlm.errors import UserError


def unwrapped(model: Any) -> Any:
    """The TF model of transformers that `model` is, or that it wraps as a trainer does.

    Raises:
        UserError: there is none in it, or several.
    """
    from transformers import TFPreTrainedModel

    if isinstance(model, TFPreTrainedModel):
        return model
    inner = getattr(model, "model", None)
    if isinstance(inner, TFPreTrainedModel):
        return inner
    parts = getattr(model, "submodules", ())
    found = {id(part): part for part in parts if isinstance(part, TFPreTrainedModel)}
    if len(found) == 1:
        return next(iter(found.values()))
    holds = f"that holds {len(found)} of them" if found else "that holds none"
    raise UserError(
        f"give a TF masked LM of transformers, or what wraps one. Received: a "
        f"{type(model).__name__} {holds}"
    )
