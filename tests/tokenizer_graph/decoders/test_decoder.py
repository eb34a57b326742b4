"""Decoders against Rust, on every kind of token."""

import random

import pytest
import tensorflow as tf

import tfmlm
from tests.tokenizer_graph.components import tokenizer

BYTES = [f"<0x{b:02X}>" for b in (0x41, 0xC3, 0xA9, 0xE6, 0xBC, 0xA2, 0xFF, 0x20, 0x00)]
TOKENS = [
    "a",
    "b",
    "##a",
    "##.",
    "##",
    ".",
    "'",
    "s",
    "n't",
    "▁",
    "▁a",
    "a▁b",
    "▁▁",
    "a</w>",
    "</w>",
]
TOKENS += [
    "Ġ",
    "Ġa",
    "Ã",
    "©",
    "Ã©",
    "Ģ",
    "é",
    "漢",
    "\ufffd",
    " ",
    " a ",
    "H",
    "HH",
    "aHH",
    "<0x4",
    *BYTES,
]
TOKENS += ["<0xe6>", "<0xZZ>", "<0x+1>", "ĉ", "aa", "\\", "$1", "do", "not", "I", "m"]
VOCAB = {token: k for k, token in enumerate(["[UNK]", *dict.fromkeys(TOKENS)])}


def sequence(*children):
    return {"type": "Sequence", "decoders": list(children)}


def replace(found, put):
    return {"type": "Replace", "pattern": {"String": found}, "content": put}


def strip(content, start, stop):
    return {"type": "Strip", "content": content, "start": start, "stop": stop}


FUSE, FALLBACK = {"type": "Fuse"}, {"type": "ByteFallback"}
BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": True,
    "trim_offsets": True,
    "use_regex": True,
}
DECODERS = [
    None,
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": False},
    BYTE_LEVEL,
    *(
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True}
        for scheme in ("always", "first", "never")
    ),
    {"type": "BPEDecoder", "suffix": "</w>"},
    FALLBACK,
    FUSE,
    replace("▁", " "),
    replace("a", "\\$1"),
    strip("H", 1, 0),
    sequence(replace("▁", " "), FALLBACK, FUSE, strip(" ", 1, 0)),
    sequence(replace("▁", " "), FALLBACK, FUSE),
    sequence(FUSE, replace("a.", "\\1"), strip("a", 2, 0)),
    sequence({"type": "WordPiece", "prefix": "##", "cleanup": True}, FUSE, replace(" ", "_")),
    sequence(BYTE_LEVEL, replace("é", "e")),
    sequence(BYTE_LEVEL, FUSE),
    sequence(),
]


@pytest.mark.parametrize("decoder", DECODERS, ids=str)
def test_equals_rust(decoder):
    rust = tokenizer(
        decoder=decoder, model={"type": "WordLevel", "vocab": VOCAB, "unk_token": "[UNK]"}
    )
    rust.add_special_tokens(["[UNK]", "<s>"])
    rust.add_tokens(["added token"])
    graph = tfmlm.GraphTokenizer.from_tokenizer(rust)
    rng = random.Random(3)
    size = rust.get_vocab_size()
    rows = [[], *([k] for k in range(size))]
    rows += [[rng.randrange(size) for _ in range(rng.randint(1, 8))] for _ in range(4000)]
    byte_ids = [VOCAB[token] for token in BYTES]
    rows += [rng.choices(byte_ids, k=rng.randint(1, 9)) for _ in range(1500)]
    ragged = tf.ragged.constant(rows, dtype=tf.int32)
    for skip in (True, False):
        got = graph.decode(ragged, skip, False).numpy().tolist()
        assert got == [rust.decode(row, skip_special_tokens=skip).encode() for row in rows]
