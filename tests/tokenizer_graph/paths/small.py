"""Small tokenizers with the parts that paths are made of."""

from __future__ import annotations

import random

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from tfmlm.tokenizer_graph.added_tokens import build_passes
from tfmlm.tokenizer_graph.component import BuildContext, Path
from tfmlm.tokenizer_graph.paths import wordpiece
from tfmlm.tokenizer_graph.paths.general import components
from tfmlm.tokenizer_graph.spec import parse
from tfmlm.tokenizer_graph.spec.tokenizer import TokenizerConfig

MASK = "[MASK]"
TOKENS = ["[UNK]", MASK, "[X]", *"abcde9.!,中", "##b", "##c", "##d", "##9", "ab", "##cd", "über"]
PIECES = [*"abcdeABE9.!,", "…", "“", " ", " ", "  ", "\t", MASK, "[X]", "x", "é", "e\u0301", "中"]
PIECES += ["über", "\u00ad", "\x00", "\u0301", "ab", "cd", "abcdabcdab"]


def bert_like(limit: int = 9) -> Tokenizer:
    """A WordPiece with BERT's chain of components."""
    vocab = {token: number for number, token in enumerate(TOKENS)}
    model = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=limit)
    rust = Tokenizer(model)
    rust.normalizer = normalizers.BertNormalizer()
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.add_special_tokens([AddedToken(MASK, normalized=False), AddedToken("[X]")])
    return rust


def words() -> Tokenizer:
    """Whole words, which no fast path takes."""
    rust = Tokenizer(models.WordLevel({"[UNK]": 0, MASK: 1, "a": 2, "ab": 3}, unk_token="[UNK]"))
    rust.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    rust.add_special_tokens([MASK])
    return rust


def context(rust: Tokenizer) -> BuildContext:
    """The tokenizer as components see it, with its mask token."""
    config = TokenizerConfig(mask_token=MASK, mask_token_id=rust.token_to_id(MASK))
    return BuildContext(parse(rust.to_str(), config), rust)


def by_op(rust: Tokenizer) -> Path | None:
    """The path by TF Text's op."""
    made = context(rust)
    before, after = build_passes(made)
    normalizer, pre_tokenizer = components(made)
    return wordpiece.build(made, before, normalizer, after, pre_tokenizer)


def texts(seed: int, count: int = 400) -> list[str]:
    """Of the pieces above, also of few and of none."""
    rng = random.Random(seed)
    return ["", *("".join(rng.choices(PIECES, k=rng.randint(0, 9))) for _ in range(count))]
