"""Which of a tokenizer's outputs a model takes."""

from __future__ import annotations

import inspect
from typing import Any

from tfmlm.checkpoint.frame import frame_of
from tfmlm.checkpoint.limits import vocabulary_size
from tfmlm.errors import UserError


def takes_token_types(model: Any, tokenizer: Any) -> bool:
    """Whether the tokenizer's `token_type_ids` reach the model and make a difference to it.

    Many a DistilBERT, ESM or MPNet is published with BERT's tokenizer, whose token types it has no
    input for.

    Raises:
        UserError: the tokenizer gives a type that the model has no row for.
    """
    rows = _type_rows(model)
    if not rows or "token_type_ids" not in tokenizer.model_input_names:
        return False
    most = max(frame_of(tokenizer).types)
    if most >= rows:
        raise UserError(
            f"the tokenizer gives token type {most}, the model has {rows} (type_vocab_size); use "
            "the model's own tokenizer"
        )
    return rows > 1


def _type_rows(model: Any) -> int:
    """Rows of the table of token types, 0 if the model takes none from a tokenizer of texts."""
    config = model.config
    if "token_type_ids" not in inspect.signature(model.call).parameters:
        return 0
    if isinstance(getattr(config, "type_vocab_sizes", None), list):
        return 0  # TAPAS has seven types a token, which only a table of cells gives
    if hasattr(config, "type_vocab_size"):
        return int(config.type_vocab_size)
    # XLM and Flaubert look them up among the words.
    return vocabulary_size(config)
