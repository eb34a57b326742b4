"""Reading a tokenizer's folder, hub name or object into a `TokenizerSpec`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tokenizers import Tokenizer

from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph.esm import esm_json
from tfmlm.tokenizer_graph.spec import TokenizerConfig, TokenizerSpec, parse
from tfmlm.tokenizer_graph.spec.budget import check_ids

# Slow-only tokenizers that split with programs of their own, which no graph can hold.
REFUSED = {
    "XLMTokenizer": "the Moses tokenizer (and KyTea, PyThaiNLP, jieba by language)",
    "FlaubertTokenizer": "the Moses tokenizer",
    "RoFormerTokenizer": "the jieba word segmentation",
    "RoFormerTokenizerFast": "the jieba word segmentation",
}


def spec_from_tokenizer(tokenizer: Any) -> TokenizerSpec:
    """The spec of a transformers tokenizer, or of a bare `tokenizers.Tokenizer`.

    Raises:
        UnsupportedTokenizerError: it cannot be compiled; the message says why.
    """
    return parse(*_description(tokenizer))


def spec_from_pretrained(name_or_dir: str, revision: str | None = None) -> TokenizerSpec:
    """The spec of the tokenizer of a folder or of a Hub repository.

    Raises:
        UserError: nothing there can be loaded as a tokenizer.
        UnsupportedTokenizerError: it cannot be compiled; the message says why.
    """
    # the tokenizer is gone before a second one is made of its JSON: a large one takes gigabytes
    return parse(*_description(load_fast_tokenizer(name_or_dir, revision)))


def _description(tokenizer: Any) -> tuple[str, TokenizerConfig]:
    """The `tokenizer.json` of a tokenizer, and the settings of its wrapper."""
    if isinstance(tokenizer, Tokenizer):
        check_ids(tokenizer)
        return tokenizer.to_str(), _bare_config(tokenizer)
    name = type(tokenizer).__name__
    if name in REFUSED:
        raise UnsupportedTokenizerError(
            "pre_tokenizer", f"{name}, which needs {REFUSED[name]}", "a fast tokenizer"
        )
    if name == "EsmTokenizer":
        config = replace(_config(tokenizer), takes_pairs=tokenizer.eos_token is not None)
        return esm_json(tokenizer), config
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UnsupportedTokenizerError(
            "tokenizer", f"{name}, which has no tokenizer.json", "a fast tokenizer, or ESM's"
        )
    if getattr(tokenizer, "split_special_tokens", False):
        raise UnsupportedTokenizerError("split_special_tokens", "true", "false")
    check_ids(backend)
    return backend.to_str(), _config(tokenizer)


def load_fast_tokenizer(name_or_dir: str, revision: str | None = None) -> Any:
    """`AutoTokenizer.from_pretrained` with errors that name what to do."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            name_or_dir, revision=revision, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"cannot load a tokenizer from {name_or_dir}: {reason}") from None


def _config(tokenizer: Any) -> TokenizerConfig:
    return TokenizerConfig(
        mask_token=tokenizer.mask_token,
        mask_token_id=tokenizer.mask_token_id,
        pad_token=tokenizer.pad_token,
        pad_token_id=tokenizer.pad_token_id,
        pad_token_type_id=tokenizer.pad_token_type_id,
        unk_token_id=tokenizer.unk_token_id,
        special_ids=tuple(tokenizer.all_special_ids),
        model_input_names=tuple(tokenizer.model_input_names),
        clean_up_tokenization_spaces=bool(tokenizer.clean_up_tokenization_spaces),
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
    )


def _bare_config(tokenizer: Tokenizer) -> TokenizerConfig:
    """Settings of a bare Rust tokenizer: mask and padding tokens by their usual names."""
    special = {
        token.content: number
        for number, token in tokenizer.get_added_tokens_decoder().items()
        if token.special
    }
    mask = next((name for name in ("[MASK]", "<mask>") if name in special), None)
    pad = next((name for name in ("[PAD]", "<pad>") if name in special), None)
    return TokenizerConfig(
        mask_token=mask,
        mask_token_id=special[mask] if mask else None,
        pad_token=pad,
        pad_token_id=special[pad] if pad else None,
        special_ids=tuple(sorted(special.values())),
        model_input_names=("input_ids", "token_type_ids", "attention_mask"),
    )
