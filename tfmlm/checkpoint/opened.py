"""A checkpoint that answers by itself: model, tokenizer, and how long a text may be."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from tfmlm.checkpoint.frame import frame_of
from tfmlm.checkpoint.limits import require_ids, window_length
from tfmlm.checkpoint.load import load_model, load_tokenizer


class OpenedCheckpoint(NamedTuple):
    """What belongs together.

    Attributes:
        model: a TF masked LM.
        tokenizer: its tokenizer.
        max_length: most tokens of a text, with special tokens.
    """

    model: Any
    tokenizer: Any
    max_length: int


def open_checkpoint(
    source: str | os.PathLike[str],
    revision: str | None = None,
    *,
    allow_untrained_head: bool = False,
    look: Callable[[str], None] | None = None,
) -> OpenedCheckpoint:
    """Loads a checkpoint folder, or a model by its name on the Hub.

    Args:
        look: called with the mask token before the model is loaded.

    Raises:
        UserError: as `load_model`, or its tokenizer is not the model's or takes more than a text.
    """
    if look is not None:
        look(load_tokenizer(source, revision).mask_token)
    model = load_model(source, revision, allow_untrained_head=allow_untrained_head)
    tokenizer = load_tokenizer(source, revision)
    require_ids(model.config, tokenizer)
    length = window_length(model.config, tokenizer, None, len(frame_of(tokenizer)))
    return OpenedCheckpoint(model, tokenizer, length)
