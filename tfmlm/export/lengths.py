"""How many tokens a model takes."""

from __future__ import annotations

from typing import Any

from tfmlm.errors import UserError

#: For models without a table of positions and tokenizers without a limit.
DEFAULT_MAX_LENGTH = 512
#: transformers writes 1e30 where a tokenizer has no limit.
_NO_LIMIT = 10**6


def position_limit(model: Any) -> int | None:
    """Most tokens of a sequence that the model has positions for, None if it has no such limit.

    Models that count positions from the padding id on (RoBERTa and its kin, MPNet, Longformer)
    have that many fewer than their config says.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    for layer in model.submodules:
        if hasattr(layer, "create_position_ids_from_input_ids") and hasattr(layer, "padding_idx"):
            return positions - int(layer.padding_idx) - 1
    return positions


def choose_max_length(model: Any, tokenizer: Any, wanted: int | None, special_tokens: int) -> int:
    """Tokens of a window, with special tokens: the wanted number, or all that the model takes.

    Raises:
        UserError: the wanted number is more than the model takes, or too small for a mask.
    """
    limit = position_limit(model)
    if wanted is None:
        most = int(min(getattr(tokenizer, "model_max_length", _NO_LIMIT), _NO_LIMIT))
        wanted = most if most < _NO_LIMIT else DEFAULT_MAX_LENGTH
        return min(wanted, limit) if limit is not None else wanted
    if limit is not None and wanted > limit:
        raise UserError(f"max_length {wanted} is over the {limit} tokens that the model takes")
    if wanted < special_tokens + 1:
        raise UserError(
            f"max_length {wanted} leaves no room for a mask beside {special_tokens} special tokens"
        )
    return wanted
