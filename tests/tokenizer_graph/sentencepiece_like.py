"""Unigram tokenizers with the chains of components of published SentencePiece models.

Built as transformers' `convert_slow_tokenizer` builds them, around pieces trained on real text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

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

from tests.tokenizer_graph.charsmaps import charsmap
from tests.tokenizer_graph.trained import BYTE_TOKENS, corpus

METASPACE = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
SPACES = normalizers.Replace(Regex(" {2,}"), " ")


@functools.lru_cache
def pieces() -> tuple[tuple[str, float], ...]:
    """Pieces with scores, cased and lower-cased, without special ones."""
    import json

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = _precompiled()
    tokenizer.pre_tokenizer = METASPACE
    texts = [text.lower() if index % 3 == 0 else text for index, text in enumerate(corpus())]
    trainer = trainers.UnigramTrainer(
        vocab_size=8000, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    vocab = json.loads(tokenizer.to_str())["model"]["vocab"]
    return tuple((piece, score) for piece, score in vocab if piece != "<unk>")


def _precompiled(rule: str = "nmt_nfkc"):
    import base64

    return normalizers.Precompiled(base64.b64decode(charsmap(rule)))


def _tokenizer(vocab, unk_id: int, byte_fallback: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(list(vocab), unk_id, byte_fallback))
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


def _specials(tokenizer: Tokenizer, names: list[str], mask: str, cls: str, sep: str) -> Tokenizer:
    tokenizer.add_special_tokens(names)
    tokenizer.add_special_tokens([AddedToken(mask, lstrip=True, special=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} {sep} $B {sep}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (cls, sep)],
    )
    # as a saved tokenizer.json reads, which moves some scores by the last bit
    return Tokenizer.from_str(tokenizer.to_str())


def xlm_roberta() -> Tokenizer:
    """XLM-R as published: a character map, splits at whitespace, ▁ before each word."""
    vocab = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        *pieces(),
        ("<mask>", 0.0),
    ]
    tokenizer = _tokenizer(vocab, 3)
    tokenizer.normalizer = _precompiled()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), METASPACE])
    return _specials(tokenizer, ["<s>", "<pad>", "</s>", "<unk>"], "<mask>", "<s>", "</s>")


def xlm_roberta_converted() -> Tokenizer:
    """XLM-R as transformers converts it today: runs of spaces become one, no whitespace split."""
    vocab = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        *pieces(),
        ("<mask>", 0.0),
    ]
    tokenizer = _tokenizer(vocab, 3)
    tokenizer.normalizer = normalizers.Sequence([_precompiled(), SPACES])
    tokenizer.pre_tokenizer = METASPACE
    return _specials(tokenizer, ["<s>", "<pad>", "</s>", "<unk>"], "<mask>", "<s>", "</s>")


def albert() -> Tokenizer:
    """ALBERT: quotes, NFKD, no accents, lower case, a character map."""
    vocab = [
        ("<pad>", 0.0),
        ("<unk>", 0.0),
        ("[CLS]", 0.0),
        ("[SEP]", 0.0),
        ("[MASK]", 0.0),
        *pieces(),
    ]
    tokenizer = _tokenizer(vocab, 1)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            _precompiled(),
            SPACES,
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), METASPACE])
    return _specials(tokenizer, ["<pad>", "<unk>", "[CLS]", "[SEP]"], "[MASK]", "[CLS]", "[SEP]")


def deberta_v2() -> Tokenizer:
    """DeBERTa-v2: stripped ends, a character map, punctuation apart, byte fallback."""
    tokens = [(token, 0.0) for token in BYTE_TOKENS]
    vocab = [
        ("[PAD]", 0.0),
        ("[CLS]", 0.0),
        ("[SEP]", 0.0),
        ("[UNK]", 0.0),
        *tokens,
        *pieces(),
        ("[MASK]", 0.0),
    ]
    tokenizer = _tokenizer(vocab, 3, byte_fallback=True)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), _precompiled(), SPACES])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation("isolated"), METASPACE]
    )
    return _specials(tokenizer, ["[PAD]", "[CLS]", "[SEP]", "[UNK]"], "[MASK]", "[CLS]", "[SEP]")


def camembert() -> Tokenizer:
    """CamemBERT: XLM-R's chain, and a piece that contains the unknown one."""
    special = {"<s>NOTUSED": 0.0, "<pad>": 0.0, "</s>NOTUSED": 0.0, "<unk>": 0.0}
    special |= {"<unk>NOTUSED": -100.0, "<s>": 0.0, "</s>": 0.0}
    vocab = [*special.items(), *pieces(), ("<mask>", 0.0)]
    tokenizer = _tokenizer(vocab, 3)
    tokenizer.normalizer = _precompiled("nfkc")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), METASPACE])
    return _specials(tokenizer, list(special), "<mask>", "<s>", "</s>")


FAMILIES: dict[str, Callable[[], Tokenizer]] = {
    family.__name__: family
    for family in (xlm_roberta, xlm_roberta_converted, albert, deberta_v2, camembert)
}
