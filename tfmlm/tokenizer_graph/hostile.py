"""Texts that find differences between tokenizers: hostile, random, and every code point."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

MARKS = "\u0300\u0301\u0302\u0307\u0308\u0323\u0327\u0328\u0338\u0345\u05b0\u0e38\u302a\u3099\u0f71"
SPACES = " \t\n\r\u00a0\u0085\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff\u2581\x0b\x0c\x1c\x1f"
CONTROLS = (
    "\x00\x01\x07\x08\x1b\x7f\x80\x9f\u00ad\u061c\u200e\u2060\ufffd\ue000\U000f0000\U0010ffff"
)
LETTERS = "aAbBzZ019éÉßªºǅıİσςΣΩℵяЖאשعب가각한漢字𠀀かガｶﾞกิกําકൊ𝔸ﬁﬃ"
JAMO = "\u1100\u1161\u11a8\u1112\u1175\u11c2\uac00\uac01\ud7a3"
COMPOSING = (
    "\u09c7\u09be\u09d7\u0b47\u0b56\u0dd9\u0dcf\u0dca\u1025\u102e\U00011131\U00011127\u0344\u0340"
    "\u212b\u1e9b\ufb2c\u1d165\U0001d15f\U0001d165\U0001d16d\U00016ff0\U00016ff1"
)
PUNCTUATION = ".,;:!?'\"`-_()[]{}<>@#$%^&*+=~|\\/…—–‘’“”«»¿¡·।。、؟٪€¥₿"
CONTRACTIONS = [
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "'LL",
    "don't",
    "I'm",
    "``",
    "''",
]
WORDS = ["hello", "world", "the", "unaffable", "2024", "3.14", "1,000", "http://a.b/c?d=e"]
WORDS += ["  "]
EMOJI = ["👨\u200d👩\u200d👧", "🇺🇳"]
SPECIALS = [
    "##ing",
    "</w>",
    "<0x41>",
    "[MASK]",
    "<mask>",
    "[CLS]",
    "[SEP]",
    "[PAD]",
    "[UNK]",
    "<s>",
]
SPECIALS += [
    "</s>",
    "<unk>",
    "<pad>",
    "[mask]",
    "[ MASK ]",
    "[MASK",
    "MASK]",
    "[[MASK]]",
    "<|end|>",
]
PIECES = [*CONTRACTIONS, *WORDS, *EMOJI, *SPECIALS]
CONTEXTS = ("{}", "a{}b", "a {} b", "{}\u0301.{}")


def hostile(seed: int, count: int, longest: int = 24, pieces: Sequence[str] = ()) -> list[str]:
    """Random mixtures of everything above and of `pieces`."""
    rng = random.Random(seed)
    sources: list[Sequence[str]] = [MARKS, SPACES, CONTROLS, LETTERS, JAMO, COMPOSING, PUNCTUATION]
    sources += [[*PIECES, *pieces], " ", "aeiou"]
    texts = []
    for _ in range(count):
        chosen = rng.sample(sources, rng.randint(1, 4))
        texts.append(
            "".join(rng.choice(rng.choice(chosen)) for _ in range(rng.randint(0, longest)))
        )
    return texts


def random_codepoints(seed: int, count: int, longest: int = 12) -> list[str]:
    """Strings of any code points."""
    rng = random.Random(seed)

    def one() -> str:
        limit = rng.choice((0x80, 0x800, 0x3100, 0x10000, 0x20000, 0x110000))
        c = rng.randrange(limit)
        return chr(c) if not 0xD800 <= c < 0xE000 else " "

    return ["".join(one() for _ in range(rng.randint(1, longest))) for _ in range(count)]


def invalid_utf8(seed: int, count: int, texts: Sequence[str]) -> list[bytes]:
    """Byte strings that are seldom UTF-8: random bytes, and `texts` cut and damaged."""
    rng = random.Random(seed)
    found: list[bytes] = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xe2\x82"]
    whole = [text.encode() for text in texts if text]
    while len(found) < count:
        kind = rng.randrange(3)
        data = bytearray(rng.choice(whole)[: rng.randint(1, 40)])
        if kind == 0:
            data = bytearray(rng.randbytes(rng.randint(1, 12)))
        elif kind == 1:
            data[rng.randrange(len(data))] = rng.randrange(256)
        found.append(bytes(data))
    return found


def long_texts() -> list[str]:
    """Words over 100 characters, and long runs of one kind."""
    texts = ["x" * n for n in (99, 100, 101, 250, 5000)]
    texts += ["é" * 100 + " " + "漢" * 300, "ß" * 101, "a\u0301" * 101, "\u0301" * 500, " " * 3000]
    texts += ["'" * 999, "'s" * 400, "1" * 1001, ("[MASK]" * 50 + " ") * 4, "🇺🇳" * 300]
    texts += ["\u1100\u1161\u11a8" * 200, "a" + "\u0323\u0301" * 200, "\u0f71\u0f72" * 100]
    return texts


def edge_texts() -> list[str]:
    """Empty and nearly empty texts."""
    texts = ["", " ", "  ", "\t", "\n\n", "\u3000", "\x00", "\x00\x00", "a", " a", "a ", "."]
    return [*texts, "\u0301", "\ufeff", "\U0010ffff"]


def every_codepoint(context: str, step: int = 1, first: int = 0) -> Iterator[str]:
    """`context` with each `{}` filled with each code point that a string can hold."""
    for c in range(first, 0x110000, step):
        if not 0xD800 <= c < 0xE000:
            yield context.replace("{}", chr(c))
