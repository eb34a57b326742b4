"""Tokenizers with real vocabularies: published ones, and ones trained on real text.

Each follows the chain of components of a published tokenizer. All are transformers fast tokenizers
and are made once per process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast, RobertaTokenizerFast

from tests.real_data import bert_uncased_dir, english_texts, gpt2_vocab_files, multilingual_texts

BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@functools.lru_cache
def corpus() -> tuple[str, ...]:
    """English and multilingual text to train on."""
    return (*english_texts(1000), *multilingual_texts(8000))


@functools.lru_cache
def bert_uncased() -> PreTrainedTokenizerFast:
    """bert-base-uncased, as published."""
    return AutoTokenizer.from_pretrained(str(bert_uncased_dir()))


@functools.lru_cache
def roberta() -> PreTrainedTokenizerFast:
    """RoBERTa's components around GPT-2's vocabulary."""
    vocab, merges = gpt2_vocab_files()
    return RobertaTokenizerFast(
        vocab_file=str(vocab),
        merges_file=str(merges),
        mask_token=AddedToken("<mask>", lstrip=True, special=True, normalized=False),
    )


@functools.lru_cache
def bert_cased() -> PreTrainedTokenizerFast:
    """A cased WordPiece, as bert-base-multilingual-cased is made."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=8000, special_tokens=BERT_SPECIALS, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return _bert(tokenizer, clean_up_tokenization_spaces=True)


@functools.lru_cache
def electra_like() -> PreTrainedTokenizerFast:
    """WordPiece behind NFD, Lowercase and StripAccents, with tokens that are normalized."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=6000, special_tokens=BERT_SPECIALS, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = _template("[CLS]", "[SEP]", tokenizer)
    tokenizer.add_tokens([AddedToken("Größe"), AddedToken("new york", single_word=True)])
    return _bert(tokenizer)


@functools.lru_cache
def modernbert_like() -> PreTrainedTokenizerFast:
    """Byte-level BPE behind NFC, with ModernBERT's masks and a token of spaces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=6000,
        special_tokens=BERT_SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = _template("[CLS]", "[SEP]", tokenizer)
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in (8, 4, 2)])
    mask = AddedToken("[MASK]", lstrip=True, special=True, normalized=False)
    return _bert(tokenizer, mask_token=mask)


@functools.lru_cache
def llama_like() -> PreTrainedTokenizerFast:
    """Sentencepiece-style BPE with byte fallback, Llama's normalizer and decoder."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    specials = ["<unk>", "<s>", "</s>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=5000, special_tokens=specials, limit_alphabet=400, show_progress=False
    )
    words = [word for text in corpus()[::6] for word in text.split()]
    tokenizer.train_from_iterator(words, trainer)
    value = with_tokens(tokenizer, BYTE_TOKENS)
    value.post_processor = _template("<s>", "</s>", value)
    return PreTrainedTokenizerFast(
        tokenizer_object=value, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        mask_token="<mask>", pad_token="</s>",
    )  # fmt: skip


def with_tokens(tokenizer: Tokenizer, tokens: Iterable[str]) -> Tokenizer:
    """The tokenizer with more entries in its model's vocabulary."""
    import json

    value = json.loads(tokenizer.to_str())
    vocab = value["model"]["vocab"]
    for token in tokens:
        vocab.setdefault(token, len(vocab))
    return Tokenizer.from_str(json.dumps(value))


def _template(cls: str, sep: str, tokenizer: Tokenizer) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, tokenizer.token_to_id(cls)), (sep, tokenizer.token_to_id(sep))],
    )


def _bert(tokenizer: Tokenizer, **settings) -> PreTrainedTokenizerFast:
    settings.setdefault("mask_token", "[MASK]")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **settings,
    )


TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "bert_uncased": bert_uncased,
    "roberta": roberta,
    "bert_cased": bert_cased,
    "electra_like": electra_like,
    "modernbert_like": modernbert_like,
    "llama_like": llama_like,
}
