"""Packed tokens: unpacked they are what the tokenizer gives."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training import small
from tfmlm.data import packing
from tfmlm.data.packing import (
    CONTINUES,
    ID_MASK,
    PADDING,
    STARTS_TEXT,
    TYPE_MASK,
    TYPE_SHIFT,
    Encoder,
    PackedFrame,
    Vocabulary,
    packed_frame,
)

TEXTS = ["Unquestionably extraordinary dictionaries", "", "it's  said: ü 北京", small.lines()[3]]


def test_no_bit_has_two_meanings() -> None:
    fields = [ID_MASK, CONTINUES, PADDING, TYPE_MASK << TYPE_SHIFT, STARTS_TEXT]
    assert sum(fields) == np.bitwise_or.reduce(fields) < 2**31


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_ids_and_words_are_the_tokenizers(kind: str) -> None:
    tokenizer = small.tokenizer(kind)
    frame = packed_frame(tokenizer)
    expected = tokenizer(TEXTS, return_token_type_ids=True)
    for words in (False, True):
        found = list(Encoder(tokenizer, words)(TEXTS))
        for number, tokens in enumerate(found):
            row = frame.wrap(tokens)
            assert row.dtype == np.int32
            assert (row & ID_MASK).tolist() == expected["input_ids"][number]
            types = row >> TYPE_SHIFT & TYPE_MASK
            assert types.tolist() == expected["token_type_ids"][number]
            places = expected.word_ids(number)
            same = [
                words
                and place > 0
                and places[place] is not None
                and places[place] == places[place - 1]
                for place in range(len(places))
            ]
            assert ((row & CONTINUES) > 0).tolist() == same


def test_the_frame_gives_the_text_its_type() -> None:
    frame = PackedFrame((5,), (6, 7), text=1 << TYPE_SHIFT)
    row = frame.wrap(np.array([10, 11 | CONTINUES], np.int32))
    assert (row & ID_MASK).tolist() == [5, 10, 11, 6, 7]
    assert (row >> TYPE_SHIFT & TYPE_MASK).tolist() == [0, 1, 1, 0, 0]
    assert len(frame) == 3


def test_what_is_special_is_never_drawn() -> None:
    tokenizer = small.tokenizer("wordpiece")
    vocabulary = Vocabulary.of(tokenizer)
    assert vocabulary.special_ids == tuple(sorted(tokenizer.all_special_ids))
    assert (vocabulary.size, vocabulary.mask_id) == (len(tokenizer), tokenizer.mask_token_id)
    everything = set(range(len(tokenizer)))
    assert set(vocabulary.drawable_ids()) == everything - set(tokenizer.all_special_ids)
    fewer = Vocabulary.of(tokenizer, model_vocab_size=100)
    assert set(fewer.drawable_ids()) == set(range(100)) - set(tokenizer.all_special_ids)
    plain = packing.plain_backend(tokenizer)
    assert plain.truncation is None and plain.padding is None
