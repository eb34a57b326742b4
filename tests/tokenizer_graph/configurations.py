"""Random tokenizer configurations over every component, as `tokenizer.json` values."""

from __future__ import annotations

import string
from random import Random
from typing import Any

from tfmlm.tokenizer_graph.hostile import (
    COMPOSING,
    CONTROLS,
    JAMO,
    LETTERS,
    MARKS,
    PUNCTUATION,
    SPACES,
)
from tfmlm.tokenizer_graph.ops.byte_alphabet import byte_characters

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
REGEXES = (GPT2, LLAMA3, CL100K, O200K, CLIP, BLOOM, r"\s+", r"\d", "[0-9][0-9][0-9]", r"\p{L}+")
BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")

ALPHABET = sorted({*string.printable, *LETTERS, *MARKS, *COMPOSING, *JAMO, *PUNCTUATION, *SPACES})


def normalizer(rng: Random, depth: int = 0) -> dict[str, Any] | None:
    """A normalizer, or none."""
    flip = lambda: rng.random() < 0.5  # noqa: E731
    plain = [{"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Nmt")]
    plain += [{"type": name} for name in ("Lowercase", "StripAccents")]
    made = [
        {
            "type": "BertNormalizer",
            "clean_text": flip(),
            "handle_chinese_chars": flip(),
            "strip_accents": rng.choice((None, True, False)),
            "lowercase": flip(),
        },
        {"type": "Strip", "strip_left": flip(), "strip_right": flip()},
        {
            "type": "Replace",
            "pattern": {"String": rng.choice(("``", "''", " ", "a", "  ", "é"))},
            "content": rng.choice(('"', "", "▁", " ", "xy")),
        },
        {
            "type": "Replace",
            "pattern": {"Regex": rng.choice((" {2,}", r"\s+", r"\p{L}\p{N}", "[^a-z ]"))},
            "content": rng.choice(("", " ", "▁")),
        },
        {"type": "Prepend", "prepend": rng.choice(("▁", "ab", " "))},
    ]
    kind = rng.random()
    if depth == 0 and kind < 0.15:
        return None
    if depth < 2 and kind < 0.5:
        children = [normalizer(rng, depth + 1) for _ in range(rng.randint(0, 4))]
        return {"type": "Sequence", "normalizers": [child for child in children if child]}
    if depth == 0 and kind < 0.55:
        return {"type": "ByteLevel"}
    return rng.choice(made if kind < 0.8 else plain)


def pre_tokenizer(rng: Random, depth: int = 0) -> dict[str, Any] | None:
    """A pre-tokenizer, or none."""
    flip = lambda: rng.random() < 0.5  # noqa: E731
    made = [
        *({"type": name} for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")),
        {"type": "Punctuation", "behavior": rng.choice(BEHAVIORS)},
        {"type": "Digits", "individual_digits": flip()},
        {
            "type": "ByteLevel",
            "add_prefix_space": flip(),
            "trim_offsets": flip(),
            "use_regex": flip(),
        },
        {
            "type": "Metaspace",
            "replacement": rng.choice("▁▁_"),
            "prepend_scheme": rng.choice(("always", "first", "never")),
            "split": flip(),
        },
        {"type": "CharDelimiterSplit", "delimiter": rng.choice("-▁ a")},
        {
            "type": "Split",
            "pattern": {"String": rng.choice((" ", "  ", "a", "'s", "aa"))},
            "behavior": rng.choice(BEHAVIORS),
            "invert": flip(),
        },
        {
            "type": "Split",
            "pattern": {"Regex": rng.choice(REGEXES)},
            "behavior": rng.choice(BEHAVIORS),
            "invert": flip(),
        },
    ]
    kind = rng.random()
    if depth == 0 and kind < 0.1:
        return None
    if depth < 2 and kind < 0.45:
        children = [pre_tokenizer(rng, depth + 1) for _ in range(rng.randint(0, 3))]
        return {"type": "Sequence", "pretokenizers": [child for child in children if child]}
    return rng.choice(made)


CONTENTS = (
    *("[MASK]", "<mask>", "[CLS]", "mask", "hello", "Hello", "a", "aa", "aab", " ", "  ", "'s"),
    *(
        "É",
        "é",
        "e\u0301",
        "ß",
        "漢字",
        "1",
        "19",
        "[",
        "]",
        "[[",
        "new token",
        " x ",
        "\n",
        "<|x|>",
    ),
)


def added_tokens(rng: Random, first_id: int) -> list[dict[str, Any]]:
    """Added tokens with any flags, some inside of others."""
    flip = lambda: rng.random() < 0.4  # noqa: E731
    chosen = rng.sample(CONTENTS, rng.randint(0, 6))
    # the Rust library panics where a stripping token meets one that begins with whitespace
    strips = not any(content[0].isspace() for content in chosen)
    return [
        {
            "id": first_id + k,
            "content": content,
            "single_word": flip(),
            "lstrip": flip(),
            "rstrip": strips and flip(),
            "normalized": flip(),
            "special": flip(),
        }
        for k, content in enumerate(chosen)
    ]


def model(rng: Random) -> dict[str, Any]:
    """A model that knows every character of `ALPHABET`, so that few differences are hidden."""
    pieces = [*ALPHABET, *CONTROLS[::3], "he", "ll", "the", "漢字", "▁a", "▁th", "Ġa", "é", "'s"]
    pieces = sorted({piece for piece in pieces if rng.random() < 0.97})
    if rng.random() < 0.2:
        vocab = {piece: k for k, piece in enumerate(["[UNK]", *pieces])}
        return {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}
    prefix = rng.choice(("##", "", "@", "##"))
    pieces = [*pieces, *(prefix + piece for piece in pieces if rng.random() < 0.95)]
    vocab = {piece: k for k, piece in enumerate(dict.fromkeys(["[UNK]", *pieces]))}
    return {
        "type": "WordPiece",
        "vocab": vocab,
        "unk_token": "[UNK]",
        "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": rng.choice((100, 100, 7)),
    }


def subword_model(rng: Random) -> dict[str, Any]:
    """BPE or Unigram with pieces that occur in the texts, and with random ones."""
    characters = [*ALPHABET, *map(chr, byte_characters()), "▁"]
    tokens = list(dict.fromkeys(c for c in characters if rng.random() < 0.97))
    merges = []
    for _ in range(150):
        left, right = rng.choice(tokens), rng.choice(tokens)
        if rng.random() < 0.8:  # what occurs: the pieces of a word of the texts
            word = rng.choice(("Ġhello", "hello", "isn't", "▁hello", "▁Hello", "'ll", "aaab"))
            cut = rng.randrange(1, len(word))
            left, right = word[:cut][-rng.randint(1, 3) :], word[cut:][: rng.randint(1, 3)]
        if left in tokens and right in tokens and left + right not in tokens:
            tokens.append(left + right)
            merges.append([left, right])
    if rng.random() < 0.5:
        return {
            "type": "BPE",
            "vocab": {token: k for k, token in enumerate(["[UNK]", *tokens])},
            "merges": merges,
            "unk_token": rng.choice(("[UNK]", None)),
            "fuse_unk": rng.random() < 0.5,
            "ignore_merges": rng.random() < 0.5,
        }
    scores = [[token, round(rng.uniform(-12, -2), rng.choice((0, 3)))] for token in tokens]
    return {"type": "Unigram", "vocab": [["[UNK]", 0.0], *scores], "unk_id": 0}


def usual_pre_tokenizer(rng: Random, kind: str) -> dict[str, Any]:
    """The pre-tokenizer that published tokenizers have with a kind of model."""
    if kind in ("WordPiece", "WordLevel"):
        return {"type": rng.choice(("BertPreTokenizer", "WhitespaceSplit"))}
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    space["prepend_scheme"] = rng.choice(("always", "always", "first", "never"))
    parts = [{"type": "WhitespaceSplit"}] * rng.randrange(2)
    if kind == "BPE" and rng.random() < 0.8:
        add = rng.random() < 0.2
        return {
            "type": "ByteLevel",
            "add_prefix_space": add,
            "trim_offsets": True,
            "use_regex": True,
        }
    return {"type": "Sequence", "pretokenizers": [*parts, space]}


def tokenizer(rng: Random) -> dict[str, Any]:
    """A whole `tokenizer.json`; half of them not unlike published ones."""
    chosen = rng.choice((model, subword_model))(rng)
    added = added_tokens(rng, len(chosen["vocab"]))
    usual = rng.random() < 0.5
    if usual:
        for token in added:
            token["single_word"] = False
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": normalizer(rng),
        "pre_tokenizer": usual_pre_tokenizer(rng, chosen["type"]) if usual else pre_tokenizer(rng),
        "post_processor": None,
        "decoder": None,
        "model": chosen,
    }
