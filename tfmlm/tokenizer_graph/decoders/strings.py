"""String operations that several decoders share."""

from __future__ import annotations

import re

import tensorflow as tf

from tfmlm.tokenizer_graph.ops.shift import upper_bound

# The replacements of transformers' `clean_up_tokenization`, in its order:
# https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/tokenization_utils_base.py
CLEAN_UP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def replace_all(texts: tf.Tensor, found: str, put: str) -> tf.Tensor:
    """Replaces a literal everywhere (tf.string [n], valid UTF-8)."""
    return tf.strings.regex_replace(texts, re2_literal(found), put.replace("\\", "\\\\"))


def re2_literal(text: str) -> str:
    """A pattern that matches `text`."""
    return "".join(c if c.isalnum() or ord(c) >= 0x80 else f"\\x{{{ord(c):x}}}" for c in text)


def clean_up_spaces(texts: tf.Tensor) -> tf.Tensor:
    """tf.string [batch], after transformers' ten literal replacements, one after the other."""
    for found, put in CLEAN_UP:
        texts = replace_all(texts, found, put)
    return texts


def join_rows(pieces: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """Strings [m] in rows (int64 [batch + 1]) -> one string a row [batch]."""
    index = tf.range(tf.size(pieces, tf.int64))
    rows = upper_bound(splits, index) - 1
    return tf.strings.unsorted_segment_join(pieces, rows, tf.size(splits) - 1)


def replace_invalid(texts: tf.Tensor) -> tf.Tensor:
    """tf.string [m]: invalid UTF-8 becomes U+FFFD, as Rust and Python's "replace" do it."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def byte_of(token: str) -> int | None:
    """The byte that a token such as <0x0A> stands for.

    https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/decoders/byte_fallback.rs
    """
    if len(token.encode()) == 6 and re.fullmatch(r"<0x([0-9a-fA-F]{2}|\+[0-9a-fA-F])>", token):
        return int(token[3:5], 16)
    return None
