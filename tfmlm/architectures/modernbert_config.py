"""ModernBERT's config in the form of transformers 4.57, which version 5 reads too.

Version 5 writes `layer_types` and `rope_parameters`, which 4.57's class keeps without heeding:
https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/models/modernbert/configuration_modernbert.py
"""

from __future__ import annotations

import copy
from typing import Any

from tfmlm.architectures.rotary import require_default_rope
from tfmlm.errors import UserError

FULL, SLIDING = "full_attention", "sliding_attention"


def layer_types(config: Any) -> list[str]:
    """The kind of each layer, full or sliding: the list of version 5 if there is one.

    Raises:
        UserError: the list does not fit the number of layers, or names another kind.
    """
    count = config.num_hidden_layers
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        every = config.global_attn_every_n_layers
        if every < 1:
            raise UserError(f"global_attn_every_n_layers is {every}; it must be at least 1")
        return [SLIDING if number % every else FULL for number in range(count)]
    if len(kinds) != count:
        raise UserError(f"layer_types has {len(kinds)} entries for {count} layers")
    other = sorted(set(kinds) - {FULL, SLIDING})
    if other:
        raise UserError(f"layer_types: {other[0]!r} is not supported; only {FULL} and {SLIDING}")
    return list(kinds)


def normalized(config: Any) -> Any:
    """A copy of a `ModernBertConfig` that says everything by the fields of transformers 4.57.

    The list `layer_types` stays where no number of `global_attn_every_n_layers` says the same.

    Raises:
        UserError: rotary embeddings of another type than the default, or fields that do not fit.
    """
    config = copy.deepcopy(config)
    if config.hidden_size % config.num_attention_heads:
        raise UserError(
            f"hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
            f"{config.num_attention_heads}"
        )
    if config.hidden_size // config.num_attention_heads % 2:
        raise UserError("hidden_size / num_attention_heads must be even for rotary embeddings")
    require_default_rope(getattr(config, "rope_scaling", None), "rope_scaling")
    _take_thetas(config)
    if config.local_rope_theta is None:
        config.local_rope_theta = config.global_rope_theta
    kinds = layer_types(config)
    if hasattr(config, "layer_types"):
        every = _every(kinds)
        if every is None:
            config.layer_types = kinds
        else:
            config.global_attn_every_n_layers = every
            del config.layer_types
    return config


def _take_thetas(config: Any) -> None:
    parameters = getattr(config, "rope_parameters", None)
    if parameters is None:
        return
    if not isinstance(parameters, dict) or not set(parameters) <= {FULL, SLIDING}:
        raise UserError(f"rope_parameters must have the entries {FULL} and {SLIDING} only")
    for kind, field in ((FULL, "global_rope_theta"), (SLIDING, "local_rope_theta")):
        own = parameters.get(kind)
        require_default_rope(own, f"rope_parameters.{kind}")
        if own and own.get("rope_theta") is not None:
            setattr(config, field, float(own["rope_theta"]))
    del config.rope_parameters


def _every(kinds: list[str]) -> int | None:
    """The n for which layer i is full if and only if n divides i, or None."""
    for every in range(1, len(kinds) + 1):
        if kinds == [SLIDING if number % every else FULL for number in range(len(kinds))]:
            return every
    return None
