"""Words of the table are one token; all others go to the algorithm, wherever they stand."""

import itertools

import pytest
import tensorflow as tf
from tokenizers import models

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.models._words import NOTHING, Located, SubwordModel
from tfmlm.tokenizer_graph.ops.byte_alphabet import byte_characters
from tfmlm.tokenizer_graph.ops.shift import positions_of

#: whole words of the vocabulary; all other words become characters
WHOLE = {"ab": 1, "é": 2, "a": 3}
WORDS = ["ab", "aab", "é", "ab", "b", "aab", "éé漢", "a"]


class _Characters(SubwordModel):
    """Each character is a token: its code point."""

    def _locate(self, stream: tf.Tensor, heads: tf.Tensor) -> Located:
        gaps = positions_of(tf.equal(stream, GAP))
        index = tf.range(tf.size(stream, tf.int64))
        return Located(stream, heads + 1, gaps[1:], index, index + 1)


def _model(**settings) -> _Characters:
    rust = models.BPE(WHOLE, [], ignore_merges=True)
    return _Characters([*WHOLE, "aab", ""], rust.tokenize, **settings)


def _words(words: list[str]) -> tuple[tf.Tensor, tf.Tensor]:
    splits = [0, *itertools.accumulate(map(len, words))]
    codepoints = [ord(c) for word in words for c in word]
    return tf.constant(codepoints, tf.int32), tf.constant(splits, tf.int64)


def _rows(values: tf.Tensor, splits: tf.Tensor) -> list:
    return tf.RaggedTensor.from_row_splits(values, splits).to_list()


@pytest.mark.parametrize("words", [WORDS, ["ab", "a"], ["b"], []])
def test_the_table_and_the_others(words: list[str]) -> None:
    model = _model()
    want = [[WHOLE[word]] if word in WHOLE else [*map(ord, word)] for word in words]
    assert _rows(*model(*_words(words))) == want
    ids, splits, begins, ends = model.located(*_words(words))
    assert _rows(ids, splits) == want
    covered = ["".join(words)[b:e] for b, e in zip(begins.numpy(), ends.numpy(), strict=True)]
    pieces = [[word] if word in WHOLE else [*word] for word in words]
    assert covered == [piece for word in pieces for piece in word]


def test_text_is_spelled_in_the_alphabet_of_its_bytes() -> None:
    alphabet = byte_characters()
    spelled = {"".join(chr(alphabet[b]) for b in word.encode()): k for word, k in WHOLE.items()}
    model = _Characters(
        [*spelled, "漢"], models.BPE(spelled, [], ignore_merges=True).tokenize, True
    )
    words = ["é", "éé", "ab", "aé"]
    want = [
        [WHOLE[word]] if word in WHOLE else [alphabet[byte] for byte in word.encode()]
        for word in words
    ]
    assert _rows(*model(*_words(words))) == want
    _, _, begins, ends = model.located(*_words(words))
    data = "".join(words).encode()
    covered = [data[b:e] for b, e in zip(begins.numpy(), ends.numpy(), strict=True)]
    assert model.counts_bytes and b"".join(covered) == data and len(covered) == 1 + 4 + 1 + 3


def test_special_strings_have_their_ids_or_none() -> None:
    model = _model(special={b"\xff": 7, b"\xfe": NOTHING})
    words = tf.constant([b"ab", b"\xfe", b"\xff", b"\xfe", b"bb"])
    assert _rows(*model.tokens_of(words)) == [[1], [], [7], [], [98, 98]]


def test_what_has_no_places_says_why() -> None:
    model = _model()
    model.unlocated = ("model", "x", "y")
    with pytest.raises(UnsupportedTokenizerError, match="model"):
        model.located(*_words(["a"]))
