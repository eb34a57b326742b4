"""Trains a tokenizer on a corpus: WordPiece as BERT's, byte-level BPE as RoBERTa's, Unigram."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tfmlm.checkpoint.limits import counts_from_padding
from tfmlm.data.corpus import Corpus
from tfmlm.errors import UserError
from tfmlm.files import atomic_folder

MAX_TEXT_CHARACTERS = 100_000


def train_tokenizer(
    corpus: Corpus,
    kind: str,
    vocab_size: int,
    *,
    lowercase: bool = True,
    model_type: str = "bert",
    progress: bool = False,
) -> Any:
    """Trains a tokenizer.

    Args:
        corpus: the texts.
        kind: `wordpiece` (a `BertTokenizerFast`), `bpe` (byte-level, a `RobertaTokenizerFast`) or
            `unigram` (SentencePiece's model with its NFKC normalization).
        vocab_size: entries at most, special tokens included.
        lowercase: for wordpiece: lowercase and strip accents, as bert-base-uncased.
        model_type: architecture it is for; some fix the padding id.
        progress: show the trainer's progress bar.

    Returns:
        A fast tokenizer of transformers, ready for `save_pretrained`.

    Raises:
        UserError: the corpus is too small for a vocabulary.
    """
    make = {"wordpiece": _wordpiece, "bpe": _bpe, "unigram": _unigram}[kind]
    padding_first = not counts_from_padding(model_type)
    tokenizer = make(corpus, vocab_size, lowercase, padding_first, progress)
    learned = len(tokenizer) - len(tokenizer.all_special_ids)
    if learned < 1:
        raise UserError(f"{corpus.name} is too small to train a tokenizer on")
    return tokenizer


def trained_tokenizer(
    corpus: Corpus,
    kind: str,
    vocab_size: int,
    folder: Path,
    *,
    lowercase: bool = True,
    model_type: str = "bert",
    progress: bool = False,
) -> Any:
    """Like `train_tokenizer`, kept in `folder` under its checksum, so that a resumed run and all
    workers of a run have the same one."""
    from filelock import FileLock
    from transformers import AutoTokenizer

    key = [corpus.checksum(), kind, vocab_size, lowercase, counts_from_padding(model_type)]
    checksum = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    target = folder / f"tokenizer-{checksum}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(str(target) + ".lock"):
        if not target.exists():
            tokenizer = train_tokenizer(
                corpus,
                kind,
                vocab_size,
                lowercase=lowercase,
                model_type=model_type,
                progress=progress,
            )
            with atomic_folder(target) as temporary:
                tokenizer.save_pretrained(temporary)
    return AutoTokenizer.from_pretrained(target, use_fast=True, trust_remote_code=False)


def _texts(corpus: Corpus) -> Any:
    """Batches for the trainers; very long texts are cut, which loses no pair inside a word."""
    for batch in corpus.batches():
        pieces: list[str] = []
        for text in batch:
            if len(text) <= MAX_TEXT_CHARACTERS:
                pieces.append(text)
            else:
                pieces.extend(_cut(text))
        yield pieces


def _cut(text: str) -> list[str]:
    pieces, start = [], 0
    while start < len(text):
        end = start + MAX_TEXT_CHARACTERS
        space = text.rfind(" ", start, end) if end < len(text) else -1
        end = space if space > start else end
        pieces.append(text[start:end])
        start = end
    return pieces


def _wordpiece(
    corpus: Corpus, vocab_size: int, lowercase: bool, padding_first: bool, progress: bool
) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizerFast

    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    splitter = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]"] if padding_first else ["[UNK]", "[PAD]"]
    special += ["[CLS]", "[SEP]", "[MASK]"]
    # WordPieceTrainer numbers the `##` characters in the order of a randomly seeded hash map, so
    # that ties, and with them the vocabulary, come out differently each time. It is a BPE trainer
    # with a prefix; here the characters inside words are moved to a plane of their own instead.
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        limit_alphabet=max(50, min(1000, vocab_size // 4)),
        show_progress=progress,
    )
    marked = _Marked()

    def texts() -> Any:
        for batch in _texts(corpus):
            for text in batch:
                words = splitter.pre_tokenize_str(normalizer.normalize_str(text))
                yield " ".join([marked[word] for word, _ in words])

    learner.train_from_iterator(texts(), trainer)
    by_id = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    vocabulary = {_unmark(token): number for token, number in by_id}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    _frame(tokenizer, "[CLS]", "[SEP]", sep_type=1)
    return BertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=lowercase)


_INSIDE = 0xF0000  # added to characters inside a word: planes 0 and 1 to the private 15 and 16
_HIGHEST = 0x10FFFF - _INSIDE


class _Marked(dict):
    """Words with the characters after the first moved to private planes; others stay."""

    def __missing__(self, word: str) -> str:
        if any(ord(c) >= _INSIDE for c in word):
            return ""
        inside = (chr(ord(c) + _INSIDE) if ord(c) <= _HIGHEST else c for c in word[1:])
        marked = word[0] + "".join(inside)
        if len(self) < 1_000_000:
            self[word] = marked
        return marked


def _unmark(token: str) -> str:
    plain = "".join(chr(ord(c) - _INSIDE) if ord(c) >= _INSIDE else c for c in token)
    return "##" + plain if ord(token[0]) >= _INSIDE else plain


def _bpe(
    corpus: Corpus, vocab_size: int, lowercase: bool, padding_first: bool, progress: bool
) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import RobertaTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=progress,
    )
    tokenizer.train_from_iterator(_texts(corpus), trainer)
    bos, eos = (("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>")))
    tokenizer.post_processor = processors.RobertaProcessing(sep=eos, cls=bos)
    return RobertaTokenizerFast(tokenizer_object=tokenizer)


def _unigram(
    corpus: Corpus, vocab_size: int, lowercase: bool, padding_first: bool, progress: bool
) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "<unk>"] if padding_first else ["<unk>", "<pad>"]
    special += ["[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=special, unk_token="<unk>", show_progress=progress
    )
    try:
        tokenizer.train_from_iterator(_texts(corpus), trainer)
    except Exception as error:
        raise UserError(f"cannot train a unigram tokenizer on {corpus.name}: {error}") from error
    _frame(tokenizer, "[CLS]", "[SEP]", sep_type=1)
    from tokenizers import AddedToken

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token=AddedToken("[MASK]", lstrip=True, special=True),
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _frame(tokenizer: Any, first: str, last: str, sep_type: int) -> None:
    from tokenizers import processors

    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {last}:0",
        pair=f"{first}:0 $A:0 {last}:0 $B:{sep_type} {last}:{sep_type}",
        special_tokens=[(first, tokenizer.token_to_id(first)), (last, tokenizer.token_to_id(last))],
    )
