"""ESM's protein tokenizer, which transformers has in Python only, as a `tokenizer.json`.

Every token of its vocabulary is found in the text wherever it stands, the longest first; what is
left is cut at whitespace and unknown.
https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/esm/tokenization_esm.py
"""

from __future__ import annotations

import json
from typing import Any

from tfmlm.errors import UnsupportedTokenizerError


def esm_json(tokenizer: Any) -> str:
    """The `tokenizer.json` of an `EsmTokenizer`.

    Raises:
        UnsupportedTokenizerError: an added token has flags, which Python and Rust read differently.
    """
    vocab: dict[str, int] = tokenizer.get_vocab()
    special = set(tokenizer.all_special_tokens)
    for number, token in tokenizer.added_tokens_decoder.items():
        if token.lstrip or token.rstrip or token.single_word:
            raise UnsupportedTokenizerError(
                f"added_tokens[{number}]", f"{token!r} in a tokenizer without Rust", "no flags"
            )
    added = [
        {
            "id": number,
            "content": content,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": content in special,
        }
        for content, number in sorted(vocab.items(), key=lambda item: item[1])
    ]
    cls = _id(tokenizer, "cls_token")
    # Nucleotide Transformer's first version ends no text, and so takes no pairs
    ends = [] if tokenizer.eos_token is None else [_special(str(tokenizer.eos_token), 0)]
    # Python's str.split cuts at U+001C..U+001F too, which are no White_Space
    separators = {"Regex": r"[\x{1c}-\x{1f}]"}
    removed = {"type": "Split", "pattern": separators, "behavior": "Removed", "invert": False}
    first = [_special(cls, 0), {"Sequence": {"id": "A", "type_id": 0}}, *ends]
    second = [{"Sequence": {"id": "B", "type_id": 0}}, *ends]
    value = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, removed],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": first,
            "pair": [*first, *second],
            "special_tokens": {
                content: {"id": content, "ids": [vocab[content]], "tokens": [content]}
                for content in {cls, *(end["SpecialToken"]["id"] for end in ends)}
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": tokenizer.unk_token},
    }
    return json.dumps(value, ensure_ascii=False)


def _special(content: str, type_id: int) -> dict[str, Any]:
    return {"SpecialToken": {"id": content, "type_id": type_id}}


def _id(tokenizer: Any, name: str) -> str:
    content = getattr(tokenizer, name)
    if content is None:
        raise UnsupportedTokenizerError(name, "none", "ESM's special tokens")
    return str(content)
