"""Runs of byte tokens beside Rust's decoder."""

import random

import tensorflow as tf
from tokenizers import decoders

from tfmlm.tokenizer_graph.decoders.byte_fallback import ByteRuns

BYTES = [0x41, 0xC3, 0xA9, 0xE6, 0xBC, 0xA2, 0xFF]
TOKENS = ["x", "yz", *(f"<0x{b:02X}>" for b in BYTES)]
RAW = [b"x", b"yz", *(bytes([b]) for b in BYTES)]


def test_utf8_or_a_replacement_for_each_byte() -> None:
    rng = random.Random(0)
    rows = [rng.choices(range(len(TOKENS)), k=rng.randint(0, 7)) for _ in range(300)]
    ragged = tf.ragged.constant(rows, tf.int32)
    runs = ByteRuns([k >= 2 for k in range(len(TOKENS))])
    pieces = tf.gather(tf.constant(RAW), ragged.flat_values)
    joined, splits = runs(ragged.flat_values, pieces, ragged.row_splits)
    got = tf.RaggedTensor.from_row_splits(joined, splits).to_list()
    decode = decoders.ByteFallback().decode
    assert [b"".join(row).decode() for row in got] == [decode([TOKENS[k] for k in r]) for r in rows]
