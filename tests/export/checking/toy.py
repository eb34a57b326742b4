"""A tokenizer and a model of a few tokens, for the referee's own tests."""

from __future__ import annotations

import functools
from typing import Any

from tests.small_models import small_model

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PLAIN = (
    "paris is the of france town river stone out past a mill it play play re one two dog cat"
    " capital 北 京 中 是 国 首 都 да нет . , ! : ( ) [ ] - #"
)
MAX_LENGTH = 24


@functools.cache
def tokenizer() -> Any:
    """WordPiece; the token behind a text has another type than the text."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*SPECIAL, *PLAIN.split(), "##ing", "##s", "##re", *letters]
    tokens += [f"##{letter}" for letter in letters]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    rust = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer()
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.decoder = decoders.WordPiece()
    rust.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad", "unk", "cls", "sep", "mask")
    return PreTrainedTokenizerFast(
        tokenizer_object=rust,
        model_max_length=MAX_LENGTH,
        **{f"{n}_token": t for n, t in zip(names, SPECIAL, strict=True)},
    )


def model() -> Any:
    """A BERT of one layer; each call a copy of its own with the same weights."""
    return small_model(
        "bert", len(tokenizer()), num_hidden_layers=1, hidden_size=16, num_attention_heads=2
    )


@functools.cache
def right_model() -> Any:
    """The checkpoint."""
    return model()
