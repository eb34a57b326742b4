"""Tokenizers of the two other families with small models: byte-level BPE and Unigram."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import tfmlm
from tests.export.exported import Exported, scratch
from tests.real_data import english_texts, gpt2_vocab_files, multilingual_texts
from tests.small_models import small_model

_ROBERTA_FIRST = ("<s>", "<pad>", "</s>", "<unk>")


@functools.cache
def roberta() -> Exported:
    """RoBERTa's tokenizer: GPT-2's 50,257 byte-level tokens and its own special tokens."""
    from transformers import RobertaTokenizerFast

    encoder, merges = gpt2_vocab_files()
    vocabulary = {token: number for number, token in enumerate(_ROBERTA_FIRST)}
    for token in json.loads(encoder.read_text(encoding="utf-8")):
        vocabulary.setdefault(token, len(vocabulary))
    vocabulary["<mask>"] = len(vocabulary)
    folder = scratch() / "roberta-tokenizer"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    tokenizer = RobertaTokenizerFast(str(folder / "vocab.json"), str(merges), model_max_length=510)
    model = small_model("roberta", len(tokenizer), max_position_embeddings=512, pad_token_id=1)
    return _exported("roberta", model, tokenizer)


@functools.cache
def unigram() -> Exported:
    """An XLM-RoBERTa tokenizer of 3,000 pieces trained on real texts."""
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    rust = Tokenizer(models.Unigram())
    rust.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    rust.pre_tokenizer = pre_tokenizers.Metaspace()
    rust.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=3000,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        unk_token="<unk>",
        show_progress=False,
    )
    rust.train_from_iterator([*english_texts(2000), *multilingual_texts(2000)], trainer)
    rust.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=rust,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=126,
        model_input_names=["input_ids", "attention_mask"],
    )
    model = small_model("xlm-roberta", len(tokenizer), max_position_embeddings=128, pad_token_id=1)
    return _exported("unigram", model, tokenizer)


def _exported(name: str, model, tokenizer) -> Exported:
    path = tfmlm.export_saved_model(model, tokenizer, scratch() / f"{name}-export")
    return Exported(model, tokenizer, Path(path))
