"""Tokenizers of the two other families with small models: byte-level BPE and Unigram."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from tests.export.exported import Exported, exported
from tests.real_data import english_texts, gpt2_vocab_files, multilingual_texts
from tests.shared import made_once
from tests.small_models import small_model

_ROBERTA_FIRST = ("<s>", "<pad>", "</s>", "<unk>")


@functools.cache
def roberta() -> Exported:
    """RoBERTa's tokenizer: GPT-2's 50,257 byte-level tokens and its own special tokens."""
    return exported("roberta-export", made_once("roberta", _save_roberta))


def _save_roberta(folder: Path) -> None:
    from transformers import RobertaTokenizerFast

    encoder, merges = gpt2_vocab_files()
    vocabulary = {token: number for number, token in enumerate(_ROBERTA_FIRST)}
    for token in json.loads(encoder.read_text(encoding="utf-8")):
        vocabulary.setdefault(token, len(vocabulary))
    vocabulary["<mask>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    tokenizer = RobertaTokenizerFast(str(folder / "vocab.json"), str(merges), model_max_length=510)
    model = small_model("roberta", len(tokenizer), max_position_embeddings=512, pad_token_id=1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@functools.cache
def unigram() -> Exported:
    """An XLM-RoBERTa tokenizer of 3,000 pieces trained on real texts."""
    return exported("unigram-export", made_once("unigram", _save_unigram))


def _save_unigram(folder: Path) -> None:
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
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
