"""Lets transformers 4.57 load tokenizers that version 5 saved.

Version 5 names the class of a plain fast tokenizer `TokenizersBackend`, and writes special tokens
without a name of their own as the list `extra_special_tokens`, where 4.57 has a dict of that name
and `additional_special_tokens`. Such a tokenizer gives no token types unless it says so, which
makes a difference to XLM and Flaubert:
https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/tokenization_utils_tokenizers.py
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import wrapt

_CLASSES = ("TokenizersBackend", "TokenizersBackendFast")
#: `model_input_names` of that class.
_INPUTS = ("input_ids", "attention_mask")


def read_version_5_when_imported() -> None:
    """Changes transformers' classes as soon as it imports them."""
    wrapt.when_imported("transformers.models.auto.tokenization_auto")(_know_the_class)
    wrapt.when_imported("transformers.tokenization_utils_base")(_take_the_list)


def _know_the_class(module: ModuleType) -> None:
    original = module.tokenizer_class_from_name

    @functools.wraps(original)
    def tokenizer_class_from_name(class_name: str) -> Any:
        name = "PreTrainedTokenizerFast" if class_name in _CLASSES else class_name
        return original(name)

    setattr(module, "tokenizer_class_from_name", tokenizer_class_from_name)  # noqa: B010


def _take_the_list(module: ModuleType) -> None:
    cls = module.PreTrainedTokenizerBase
    _name_the_inputs(cls)
    original = cls.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(kwargs.get("extra_special_tokens"), list):
            extra = kwargs.pop("extra_special_tokens")
            known = list(kwargs.get("additional_special_tokens") or ())
            kwargs["additional_special_tokens"] = [*known, *(t for t in extra if t not in known)]
        original(self, *args, **kwargs)

    cls.__init__ = init


def _name_the_inputs(cls: Any) -> None:
    """Passes version 5's `model_input_names` on for its plain class where the folder has none."""
    original = cls._from_pretrained.__func__

    @functools.wraps(original)
    def from_pretrained(cls: Any, files: Any, *args: Any, **kwargs: Any) -> Any:
        path = files.get("tokenizer_config_file")
        if path is not None:
            config = json.loads(Path(path).read_text(encoding="utf-8"))
            if config.get("tokenizer_class") in _CLASSES and "model_input_names" not in config:
                kwargs.setdefault("model_input_names", list(_INPUTS))
        return original(cls, files, *args, **kwargs)

    cls._from_pretrained = classmethod(from_pretrained)
