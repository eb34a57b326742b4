"""Spelled rows through the op equal Rust's WordPiece, for words cut by made-up classes."""

import random

import numpy as np
import tensorflow as tf

from tests.tokenizer_graph.paths import small
from tfmlm.tokenizer_graph.component import ROW
from tfmlm.tokenizer_graph.ops.text import decode_rows
from tfmlm.tokenizer_graph.paths.wordpiece_rows import (
    DROPPED,
    NO_ANSWER,
    RowSpelling,
    WordPieceRows,
    fused_entries,
)
from tfmlm.tokenizer_graph.pre_tokenizers.by_class import ISOLATED, REMOVED

LIMIT = 5
TEMPLATE = ((2,), (2, 0))


def _parts() -> tuple[object, RowSpelling, WordPieceRows]:
    rust = small.bert_like(LIMIT)
    spec = small.context(rust).spec
    classes = np.zeros(0x110000, np.uint8)
    classes[[*map(ord, "9.中")]] = ISOLATED  # the op by itself would not split at 9
    classes[[*map(ord, "_\n")]] = REMOVED  # and a space belongs to words
    spelling = RowSpelling(spec.model, classes, spec.added_tokens, TEMPLATE)
    return rust.model, spelling, WordPieceRows(spec.model, spelling, spec.added_tokens, TEMPLATE)


def _words(text: str) -> list[str]:
    for c in "9.中":
        text = text.replace(c, f"_{c}_")
    return [word for word in text.replace("\n", "_").split("_") if word]


def test_ids_of_words() -> None:
    model, spelling, rows = _parts()
    rng = random.Random(0)
    letters = [*"aabbccdde9.中_\n !ü", "ab", "cd", "über"]
    texts = ["".join(rng.choices(letters, k=rng.randint(0, 12))) for _ in range(400)]
    stream = decode_rows(tf.constant(texts))
    entries = tf.gather(spelling.table(), stream)
    ends = tf.where(tf.equal(stream, ROW))[:, 0]
    spelled = rows.spelled(entries, tf.concat([[0], ends + 1], 0))
    want = [[t.id for word in _words(text) for t in model.tokenize(word)] for text in texts]
    ids, splits, _ = rows(spelled, with_special_tokens=False)
    assert tf.RaggedTensor.from_row_splits(ids, splits).to_list() == want
    ids, splits, _ = rows(spelled, with_special_tokens=True)
    got = tf.RaggedTensor.from_row_splits(ids, splits).to_list()
    assert got == [[*TEMPLATE[0], *row, *TEMPLATE[1]] for row in want]


def test_raw_text_has_the_entries_of_what_it_is_normalized_to() -> None:
    _, spelling, _ = _parts()
    changes = {"A": "a", "\u00ad": "", "x": "_.\n", "y": "ab", "E": "e"}
    coded = {ord(c): tuple(map(ord, target)) for c, target in changes.items()}
    entries, table = fused_entries(spelling, coded, [ord("e")]), spelling.table()
    assert entries[ord("A")] == table[ord("a")] and entries[ord("x")] == table[ord(".")]
    assert entries[0xAD] == DROPPED
    assert np.flatnonzero(entries >= NO_ANSWER).tolist() == [ord("e"), ord("y")]
    same = [c for c in range(0x3000) if chr(c) not in {*changes, "e"}]
    np.testing.assert_array_equal(entries[same], table[same])


def test_which_ids_the_model_makes() -> None:
    model, spelling, _ = _parts()
    spec = small.context(small.bert_like(LIMIT)).spec
    reached = {t.id for word in ["ab", "abcd", "e", "9", "x", "bb"] for t in model.tokenize(word)}
    assert all(spelling.makes(spec.model, number) for number in reached)
    # ##9 continues a word, but 9 is always a word of its own
    assert not spelling.makes(spec.model, small.TOKENS.index("##9"))
