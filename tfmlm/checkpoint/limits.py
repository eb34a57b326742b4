"""How many tokens and how many ids a model takes, and a tokenizer gives.

Training, evaluation, export, filling and scoring all ask here. Rules go by what a config says, so
that an architecture without an exception needs no entry.
"""

from __future__ import annotations

from typing import Any

from tfmlm.errors import UserError

#: Tokens where neither model nor tokenizer has a limit, and at most in a training block that
#: nobody gave a length.
DEFAULT_LENGTH = 512
#: Tokenizers without a limit have a number of 20 or 30 digits, or one of their author's.
_NO_LIMIT = 10**6

#: PyTorch counts the positions of these from the padding id on, which takes their first rows.
_COUNTED_FROM_PADDING = (
    "camembert",
    "esm",
    "longformer",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
)
#: The same with a padding id that the code fixes.
_FIXED_PADDING = {"mpnet": 1}
#: Settings of models that turn queries and keys by their positions, and have no table of them.
_ROTARY = ("rope_theta", "global_rope_theta", "rope_parameters")


def vocabulary_size(config: Any) -> int:
    """How many ids the model has embeddings for and scores (XLM's `n_words` is an alias)."""
    return int(config.vocab_size)


def counts_from_padding(model_type: str) -> bool:
    """Whether a model's positions are counted from its padding id on."""
    return model_type in _COUNTED_FROM_PADDING or model_type in _FIXED_PADDING


def _is_rotary(config: Any) -> bool:
    # ESM's kind of positions is a setting, beside which transformers 5 writes `rope_theta`.
    return config.model_type != "esm" and any(hasattr(config, name) for name in _ROTARY)


def position_limit(config: Any) -> int | None:
    """Most tokens of a sequence that the model has positions for, None if it has no such limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    if _is_rotary(config):
        return None
    if getattr(config, "position_biased_input", True) is False:  # DeBERTa: relative alone
        return None
    kind = config.model_type
    if kind == "esm" and config.position_embedding_type != "absolute":
        return None if config.position_embedding_type == "rotary" else positions
    if counts_from_padding(kind):
        padding = _FIXED_PADDING.get(kind, config.pad_token_id)
        return positions - int(padding or 0) - 1
    return positions


def tokenizer_limit(tokenizer: Any) -> int | None:
    """Most tokens that the tokenizer says its model takes, None if it says nothing."""
    limit = getattr(tokenizer, "model_max_length", None)
    return int(limit) if limit and limit < _NO_LIMIT else None


def block_length(config: Any, tokenizer: Any, wanted: int | None) -> int:
    """Tokens of a training block: the wanted number, or what model and tokenizer take, up to 512.

    Raises:
        UserError: the wanted number is more than the model has positions for.
    """
    if wanted is not None:
        return _checked("max_seq_length", wanted, config)
    limits = (DEFAULT_LENGTH, position_limit(config), tokenizer_limit(tokenizer))
    return min(limit for limit in limits if limit is not None)


def window_length(config: Any, tokenizer: Any, wanted: int | None, special_tokens: int) -> int:
    """Tokens of an export's window: the wanted number, or all that model and tokenizer take.

    Models with rotary positions take thousands of tokens: their windows are of 512 unless wanted
    otherwise, up to the config's `max_position_embeddings`.

    Args:
        special_tokens: how many of them are special tokens.

    Raises:
        UserError: the wanted number is more than the model has positions for, or leaves no room.
    """
    if wanted is None:
        most = tokenizer_limit(tokenizer) or DEFAULT_LENGTH
        limit = DEFAULT_LENGTH if _is_rotary(config) else position_limit(config)
        wanted = most if limit is None else min(most, limit)
    elif _is_rotary(config) and wanted > config.max_position_embeddings:
        raise UserError(
            f"max_length is {wanted}, but the model was made for {config.max_position_embeddings} "
            f"tokens; use --max_length {config.max_position_embeddings} or less"
        )
    if wanted < special_tokens + 1:
        raise UserError(
            f"max_length {wanted} leaves no room for a mask beside {special_tokens} special tokens"
        )
    return _checked("max_length", wanted, config)


def _checked(name: str, wanted: int, config: Any) -> int:
    limit = position_limit(config)
    if limit is not None and wanted > limit:
        raise UserError(
            f"{name} is {wanted}, but the model has positions for {limit} tokens; "
            f"use --{name} {limit} or less"
        )
    return wanted


def id_count(tokenizer: Any) -> int:
    """Number of ids that a model needs for a tokenizer: its largest one and one.

    That is more than its number of tokens where the vocabulary has holes.
    """
    return max(tokenizer.get_vocab().values()) + 1


def require_ids(config: Any, tokenizer: Any) -> None:
    """Raises `UserError` where the tokenizer has an id that the model has no embedding for."""
    size = vocabulary_size(config)
    mask = tokenizer.mask_token_id
    if mask is not None and not 0 <= mask < size:
        raise UserError(
            f"the mask token {tokenizer.mask_token} has the id {mask}, the model only {size} ids; "
            "take the model's own tokenizer"
        )
    if id_count(tokenizer) > size:
        raise UserError(
            f"the tokenizer has the id {id_count(tokenizer) - 1}, the model only {size} ids; "
            "take the model's own tokenizer, or call model.resize_token_embeddings and train"
        )
